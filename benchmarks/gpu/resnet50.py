"""A ResNet-50 at 224 × 224 that came from PyTorch: trained on the built-in digits in a minute or two, exported to ONNX.

    python -m benchmarks.gpu resnet50 --prepared data/prepared-224 --onnx resnet50.onnx

Prepares the images first where PREPARED is missing. Needs a GPU, PyTorch, torchvision and scikit-learn. Raises where
ONNX Runtime and PyTorch disagree.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torchvision.models import resnet50

from roundoff.dataset.base import Prepared, Split
from roundoff.dataset.digits import Digits
from roundoff.dataset.preparing.prepare import Preparation
from roundoff.system.files import whole_file

SIZE, BATCH, EPOCHS = 224, 64, 40
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AGREE = 1e-3  # relative error of the logits: PyTorch sums in another order


class FromPixels(nn.Module):
    """Takes uint8 [N, H, W, 3]. The Cast comes before the Transpose: TensorRT reads no Transpose of uint8."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", 255 * torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(STD).reshape(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.to(torch.float32).permute(0, 3, 1, 2)
        logits: torch.Tensor = self.network((pixels - self.mean) / self.std)
        return logits


def trained(split: Split, classes: int) -> nn.Module:
    """A ResNet-50 with random first weights, trained on images uint8 [N, 224, 224, 3]."""
    torch.manual_seed(0)
    model = FromPixels(resnet50(weights=None, num_classes=classes)).cuda().to(memory_format=torch.channels_last)
    steps = EPOCHS * (len(split.labels) // BATCH)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=steps)
    order = np.random.default_rng(0)
    for _ in range(EPOCHS):
        shuffled = order.permutation(len(split.labels))
        for start in range(0, len(shuffled) - BATCH + 1, BATCH):
            _step(model, split, np.sort(shuffled[start : start + BATCH]), optimizer)
            schedule.step()
    return model.eval()


def _step(model: nn.Module, split: Split, chosen: np.ndarray[Any, Any], optimizer: torch.optim.Optimizer) -> None:
    images = torch.from_numpy(split.images[chosen]).cuda()
    labels = torch.from_numpy(split.labels[chosen]).cuda()
    with torch.autocast("cuda", torch.bfloat16):
        loss = nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def export(model: nn.Module, example: np.ndarray[Any, Any], path: Path) -> None:
    """Write `model` as ONNX with a free batch size, and hold ONNX Runtime's answers against PyTorch's."""
    import onnxruntime

    model = model.cpu().to(memory_format=torch.contiguous_format)
    axes = {"images": {0: "N"}, "logits": {0: "N"}}
    with whole_file(path) as partial, torch.no_grad():
        torch.onnx.export(
            model,
            (torch.from_numpy(example),),
            str(partial),
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=18,
            dynamo=False,
        )
        expected = model(torch.from_numpy(example)).numpy()
        session = onnxruntime.InferenceSession(str(partial), providers=["CPUExecutionProvider"])
        found = session.run(None, {"images": example})[0]
        error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
        if not error <= AGREE:
            raise SystemExit(f"error: ONNX Runtime and PyTorch disagree by {error:.2e}, expected at most {AGREE:.0e}")
        print(f"parity: relative error {error:.2e} over {len(example)} images")


def accuracy(model: nn.Module, split: Split) -> float:
    """Top-1 on the GPU in FP32."""
    with torch.no_grad():
        answers = [
            model(torch.from_numpy(split.images[start : start + BATCH].copy()).cuda()).argmax(1).cpu().numpy()
            for start in range(0, len(split.labels), BATCH)
        ]
    return float((np.concatenate(answers) == split.labels).mean())


def main(arguments: Sequence[str]) -> int:
    """Train, say how well it classifies, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--onnx", type=Path, required=True)
    options = parser.parse_args(arguments)
    if not options.prepared.exists():
        Preparation(seed=0, calibration_pool=4096).run(Digits(size=SIZE), options.prepared)
    prepared = Prepared(options.prepared)
    train, test = prepared.split("train"), prepared.split("test")
    model = trained(train, len(prepared.manifest.classes))
    print(f"top-1 on {len(test.labels)} test images: {accuracy(model, test):.4f}")
    export(model, np.ascontiguousarray(test.images[:16]), options.onnx)
    return 0
