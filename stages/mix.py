"""Chooses what a mixed precision leaves wide, on training images."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.calibration.base import Calibrator
from roundoff.dataset.base import Prepared
from roundoff.pipeline.config import component, mixed_precision
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.precision.base import Precision
from roundoff.results.mixed import write_mixed
from roundoff.sensitivity.mix import Mix
from roundoff.verdict.requirements import Target


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    name, precision = mixed_precision(cfg, Precision)
    found = component(cfg.mix, Mix).run(
        name,
        precision,
        component(cfg.verdict, Target),
        workspace.input(cfg.paths.onnx),
        workspace.input(cfg.paths.calibration),
        Prepared(workspace.input(cfg.paths.prepared)),
        component(cfg.calibrate, Calibrator),
        workspace.place(cfg.paths.layers),  # of a former run, as the profile: this one's builds come later
        workspace.place(cfg.paths.metrics) / "profile.json",
    )
    write_mixed(found, workspace.output(cfg.paths.mixed) / f"{name}.json")


if __name__ == "__main__":
    surviving(main)
