"""Measures every cell that runs on this machine, side by side."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.backend.base import Backend
from roundoff.cells.sidecar import GRAPH
from roundoff.dataset.base import Prepared
from roundoff.export.fit import require_fit
from roundoff.measurement.evaluate import Evaluation
from roundoff.pipeline.config import component, components
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.precision.base import Precision
from roundoff.results.platform import read_platform
from roundoff.results.shortfall import say_last
from roundoff.system.slots import REFERENCE_PRECISION


@stage
def main(cfg: DictConfig, workspace: Workspace) -> float | None:
    engines, prepared = workspace.place(cfg.paths.engines), Prepared(workspace.input(cfg.paths.prepared))
    for graph in sorted(engines.glob(f"{REFERENCE_PRECISION}/*/{GRAPH}"))[:1]:
        require_fit(graph, prepared)
    measured = component(cfg.evaluate, Evaluation).run(
        engines=engines,
        precisions=components(cfg.precisions, Precision)
        | components(cfg.more, Precision)
        | components(cfg.mixed, Precision)
        | components(cfg.given, Precision),
        backends=components(cfg.backends, Backend),
        prepared=prepared,
        platform=read_platform(workspace.input(cfg.paths.platform)),
        metrics=workspace.output(cfg.paths.metrics),
        predictions=workspace.output(cfg.paths.predictions),
        timings=workspace.output(cfg.paths.timings),
    )
    say_last(measured.cells)
    return measured.fastest_ms(cfg.verdict.batch_size)  # to Hydra's sweepers


if __name__ == "__main__":
    surviving(main)
