"""Reads the dataset once into memory-mapped arrays."""

from roundoff.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.calibration.base import Calibrator
from roundoff.config import component
from roundoff.dataset.base import Dataset
from roundoff.dataset.prepare import Preparation, require_calibration_images
from roundoff.stage import Workspace, stage
from roundoff.survival import surviving


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    dataset = component(cfg.dataset, Dataset)
    manifest = component(cfg.prepare, Preparation).run(dataset, workspace.output(cfg.paths.prepared))
    require_calibration_images(manifest, component(cfg.calibrate, Calibrator).images)


if __name__ == "__main__":
    surviving(main)
