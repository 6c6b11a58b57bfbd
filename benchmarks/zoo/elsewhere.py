"""Graphs that other tools have quantized, as they come to us: `python -m benchmarks.zoo.elsewhere PREPARED`.

PREPARED is a prepare stage's directory of 64 × 64 images, every second pixel of which serves for 32 × 32. One is of
`resnet8`, which takes pixels, by ONNX Runtime's quantize_static; one of PyTorch's export of a ShuffleNet, which takes
normalized images with channels first, by NVIDIA's Model Optimizer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx

from benchmarks.quantizers import by_modelopt, by_onnxruntime
from benchmarks.zoo.networks import ELSEWHERE, MODELS
from roundoff.dataset.base import Prepared

IMAGES = 320
MEAN, STD = (np.array(each, np.float32) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def main(arguments: list[str]) -> int:
    """Quantize both."""
    images = Prepared(Path(arguments[0])).calibration_images(IMAGES)
    resnet, shuffle = MODELS / "resnet8.onnx", MODELS / "zoo" / "torchvision_shufflenet.onnx"
    ELSEWHERE["resnet8"].parent.mkdir(exist_ok=True)
    onnx.save(by_onnxruntime(resnet, images[:, ::2, ::2], "MinMax", {}, options={}), ELSEWHERE["resnet8"])
    normalized = ((images.astype(np.float32) / 255 - MEAN) / STD).transpose(0, 3, 1, 2)
    made = by_modelopt(shuffle, np.ascontiguousarray(normalized), "max", "images")
    onnx.save(made, ELSEWHERE["torchvision_shufflenet"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
