"""In which order NNCF's accuracy control gives operations back to floats, where NNCF and OpenVINO are installed:

    python benchmarks/sensitivity/nncf_order.py MODEL.onnx IMAGES.npz OUT.json

IMAGES has `calibrating` and `validating`, uint8 [n, H, W, C]. FP32's own answers stand for labels. NNCF stops where
INT8 is as good as the float model, or within the drop asked for: so the one is said to be better than anything is, the
other is negative, and every group of operations comes up once. OUT has a list of steps, each with operations' names and
the seconds until then; and what NNCF's INT8 agrees with FP32.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

NEVER = -2.0
"""A drop of accuracy that no model has: accuracies are from 0 to 1."""
UNREACHED = 2.0
"""What the float model's accuracy is said to be."""
REVERTED = re.compile(r"^Reverted \d+ operations")
METRIC = re.compile(r"^Metric of (\w+) model: ([\d.]+)")


class Steps(logging.Handler):
    """What NNCF's log tells of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.steps, self.metrics = time.perf_counter(), list[dict[str, Any]](), dict[str, float]()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if REVERTED.match(text):
            names = [line.strip() for line in text.splitlines()[1:] if line.strip()]
            self.steps.append({"operations": names, "seconds": time.perf_counter() - self.started})
        if told := METRIC.match(text):
            self.metrics.setdefault(told[1], float(told[2]))


def main(model_path: str, images_path: str, out: str) -> None:
    """Let NNCF search, and write what its log told."""
    import nncf
    import openvino

    images = np.load(images_path)
    core = openvino.Core()
    model = core.read_model(model_path)
    exact = _answers(core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}), images["validating"])

    def validate(compiled: Any, items: Iterable[Any]) -> tuple[float, list[float]]:
        same = [float(answer == label) for answer, label in zip(_answers(compiled, items), exact, strict=False)]
        first = not told.metrics  # NNCF looks at the float model before it logs any metric
        return UNREACHED if first else float(np.mean(same)), same

    told = Steps()
    logging.getLogger("nncf").addHandler(told)
    datasets = [nncf.Dataset(list(images[name]), lambda image: image[None]) for name in ("calibrating", "validating")]
    nncf.quantize_with_accuracy_control(
        model, *datasets, validate, max_drop=NEVER, subset_size=len(images["calibrating"])
    )
    found = {"steps": told.steps, "metrics": told.metrics, "seconds": time.perf_counter() - told.started}
    Path(out).write_text(json.dumps(found), encoding="utf-8")


def _answers(compiled: Any, items: Iterable[Any]) -> list[int]:
    return [int(compiled(_batch(item))[0].argmax()) for item in items]


def _batch(item: Any) -> Any:
    return item if item.ndim == 4 else item[None]


if __name__ == "__main__":
    main(*sys.argv[1:])
