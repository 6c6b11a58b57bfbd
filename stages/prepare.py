"""Reads the dataset once into memory-mapped arrays."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.dataset.base import Dataset
from roundoff.dataset.preparing.prepare import Preparation, require_calibration_images
from roundoff.pipeline.config import component
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    dataset = component(cfg.dataset, Dataset)
    prepared, slices = workspace.output(cfg.paths.prepared), workspace.output(cfg.paths.slices)
    manifest = component(cfg.prepare, Preparation).run(dataset, prepared, slices)
    require_calibration_images(manifest, cfg.calibrate.images)


if __name__ == "__main__":
    surviving(main)
