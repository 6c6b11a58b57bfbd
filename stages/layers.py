"""Times the layers of every built cell, if `profile` says so."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.backend.base import Backend
from roundoff.dataset.base import Prepared
from roundoff.pipeline.config import component, components
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.precision.base import Precision
from roundoff.profiling.layer_profile import LayerProfile
from roundoff.results.layers import last_profile, write_profile, write_rows
from roundoff.results.platform import read_platform


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    profile, rows = component(cfg.profile, LayerProfile).run(
        engines=workspace.place(cfg.paths.engines),
        precisions=components(cfg.precisions, Precision)
        | components(cfg.more, Precision)
        | components(cfg.given, Precision)
        | components(cfg.mixed, Precision),
        backends=components(cfg.backends, Backend),
        prepared=Prepared(workspace.input(cfg.paths.prepared)),
        platform=read_platform(workspace.input(cfg.paths.platform)),
        before=last_profile(workspace.inputs / cfg.paths.metrics / "profile.json"),
    )
    write_rows(rows, workspace.output(cfg.paths.layers))
    write_profile(profile, workspace.output(cfg.paths.metrics) / "profile.json")


if __name__ == "__main__":
    surviving(main)
