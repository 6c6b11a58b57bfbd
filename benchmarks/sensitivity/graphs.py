"""Networks of the zoo as roundoff exports them, their calibration tables, and training images in three parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from benchmarks.sensitivity.uneven import uneven
from benchmarks.zoo.networks import NETWORKS
from benchmarks.zoo.pipeline import Run
from benchmarks.zoo.prepared import fewer, prepare
from benchmarks.zoo.slots import Slots
from roundoff.calibration.mse import MeanSquaredError
from roundoff.calibration.observing.calibrate import calibrate, image_indices
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.dataset.base import Images, Prepared
from roundoff.sensitivity.held_out import held_out_indices, training_images

TRAINING, TEST = 10_000, 2000
CHOOSING, VERIFYING = 512, 2000
"""Training images by which effects are measured, and on which mixed graphs are run."""
CALIBRATOR = MeanSquaredError()
UNEVEN = "_uneven"
"""Behind the name of a network that INT8 is to ruin (uneven.py)."""
NAMES = (
    "resnet8",
    "timm_resnet",
    "torchvision_shufflenet",
    "timm_vit",
    "conv_relu_bn",
    "mobilenet_v3",
    "resnet20",
    "resnet_v1",
    f"resnet_v1{UNEVEN}",
)


@dataclass(frozen=True)
class Case:
    """A network's FP32 graph and its ranges; images uint8 [n, H, W, C] to calibrate, to choose, and to verify by."""

    name: str
    path: Path
    table: CalibrationTable
    calibrating: Images
    choosing: Images
    verifying: Images

    @property
    def model(self) -> onnx.ModelProto:
        """The FP32 graph."""
        return onnx.load(self.path)


def case_of(name: str, data: Path, work: Path) -> Case:
    """Export and calibrate the network; what is there already is not made anew."""
    plain = name.removesuffix(UNEVEN)
    folder, size = work / plain, NETWORKS[plain].size
    archive = fewer(data, work / f"images_{TRAINING}_{TEST}.zip", TRAINING, TEST)
    source = prepare(archive, work / f"prepared_{size}", size)
    path = folder / "models" / "onnx" / "model.onnx"
    if not (folder / "based").exists():
        _linked(source, folder / "data" / "prepared")
        Run(NETWORKS[plain], folder, archive, Slots(1)).base()
    if name != plain:
        path = _uneven(path, work / f"{name}.onnx")
    prepared = Prepared(source)
    table = calibrate(CALIBRATOR, path, prepared).table
    used = np.concatenate(image_indices(CALIBRATOR, prepared, len(prepared.split("train").labels)))
    picked = held_out_indices(prepared, used, CHOOSING + VERIFYING)
    random = np.random.default_rng(0).permutation(picked)
    choosing, verifying = (training_images(prepared, part) for part in (random[:CHOOSING], random[CHOOSING:]))
    return Case(name, path, table, prepared.calibration_images(CALIBRATOR.images), choosing, verifying)


def _uneven(path: Path, target: Path) -> Path:
    onnx.save(uneven(onnx.load(path)), target)
    return target


def _linked(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.symlink_to(source.resolve())
