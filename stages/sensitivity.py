"""Measures which tensors in 8 bits cost the answers, on training images."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.calibration.base import Calibrator
from roundoff.dataset.base import Prepared
from roundoff.pipeline.config import component
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.precision.base import Precision
from roundoff.results.sensitivity import write_effects, write_whole
from roundoff.sensitivity.sensitivity import SensitivityStage


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    found = component(cfg.sensitivity, SensitivityStage).run(
        component(cfg.precisions.int8, Precision),
        workspace.input(cfg.paths.onnx),
        workspace.input(cfg.paths.calibration),
        Prepared(workspace.input(cfg.paths.prepared)),
        component(cfg.calibrate, Calibrator),
    )
    write_effects(found.effects, workspace.output(cfg.paths.sensitivity))
    write_whole(found.whole, workspace.output(cfg.paths.metrics) / "sensitivity.json")


if __name__ == "__main__":
    surviving(main)
