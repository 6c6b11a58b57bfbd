"""Makes a graph that another tool has quantized fit for the dataset, and builds it for every backend that reads it."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from pathlib import Path
from tempfile import TemporaryDirectory

from omegaconf import DictConfig

from roundoff.backend.base import Backend
from roundoff.cells.building import build_cells
from roundoff.cells.inputs import Inputs
from roundoff.dataset.base import Prepared
from roundoff.export.given import write_fit
from roundoff.export.given_feeding import beside
from roundoff.pipeline.config import components, given_precision
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.precision.given import Given
from roundoff.results.platform import read_platform
from roundoff.system.slots import config_key


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    name, given = given_precision(cfg, Given)
    prepared = Prepared(workspace.input(cfg.paths.prepared))
    with TemporaryDirectory(prefix="roundoff-given-") as directory:
        at = beside(prepared, workspace.optional_input(cfg.paths.trained))
        written = write_fit(given, at, config_key(name), Path(directory))
        inputs = Inputs(
            onnx=written,
            keras=None,
            table=None,
            calibration=prepared.split("train").images[:0],
            fingerprint=read_platform(workspace.input(cfg.paths.platform)),
            backends=tuple(map(str, cfg.backends)),
            logs=workspace.output(cfg.paths.logs),
            given=written,
            data=prepared.sha256,
        )
        engines, metrics = workspace.output(cfg.paths.engines), workspace.output(cfg.paths.metrics)
        build_cells(name, given, components(cfg.backends, Backend), inputs, engines, metrics, cfg.build.strict)


if __name__ == "__main__":
    surviving(main)
