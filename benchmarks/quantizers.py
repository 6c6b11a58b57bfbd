"""Other tools' quantization of an ONNX graph: what one would use instead of roundoff. `path` is the FP32 graph's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from roundoff.dataset.base import Images

BATCH = 32
TENSORRT = {"ActivationSymmetric": True, "WeightSymmetric": True, "AddQDQPairToWeight": False, "QuantizeBias": False}
"""Options of quantize_static for TensorRT's grid; without them it is that of ONNX Runtime's own kernels."""


def by_onnxruntime(
    path: Path,
    images: Images,
    method: str,
    settings: Mapping[str, float],
    operators: list[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    """Q/DQ by `quantize_static`: CalibrationMethod, its settings, the operators if not all, and the grid's options."""
    from onnxruntime import quantization as ortq

    class Reader(ortq.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[Images] = iter(np.split(images, range(BATCH, len(images), BATCH)))

        def get_next(self) -> dict[str, Images] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"image": batch}

    grid = TENSORRT if options is None else options
    symmetric = bool(grid.get("ActivationSymmetric"))

    def quantize(target: Path) -> None:
        ortq.quantize_static(
            path,
            target,
            Reader(),
            quant_format=ortq.QuantFormat.QDQ,
            op_types_to_quantize=operators,
            per_channel=True,
            activation_type=ortq.QuantType.QInt8 if symmetric else ortq.QuantType.QUInt8,
            weight_type=ortq.QuantType.QInt8,
            calibrate_method=ortq.CalibrationMethod[method],
            extra_options={**grid, **settings},
        )

    return _written(quantize)


def by_modelopt(path: Path, images: Any, method: str, name: str = "image") -> onnx.ModelProto:
    """Q/DQ by NVIDIA's Model Optimizer, calibrated by `entropy` or `max` on `images`, the input called `name`."""
    from modelopt.onnx.quantization import quantize

    def write(target: Path) -> None:
        quantize(
            str(path),
            quantize_mode="int8",
            calibration_data={name: images},
            calibration_method=method,
            calibration_eps=["cpu"],
            high_precision_dtype="fp32",
            output_path=str(target),
            log_level="ERROR",
        )

    return _written(write)


def by_nncf(path: Path, images: Images) -> onnx.ModelProto:
    """Q/DQ by OpenVINO's NNCF, as its defaults have it."""
    import nncf

    dataset = nncf.Dataset(list(images), lambda image: {"image": image[None]})
    made: onnx.ModelProto = nncf.quantize(onnx.load(path), dataset, subset_size=len(images))
    return made


def _written(write: Callable[[Path], None]) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        write(target)
        return onnx.load(target)
