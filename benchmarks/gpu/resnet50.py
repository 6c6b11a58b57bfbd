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

from benchmarks.gpu.from_pytorch import BATCH, FromPixels, accuracy, export
from roundoff.dataset.base import Prepared, Split
from roundoff.dataset.digits import Digits
from roundoff.dataset.preparing.prepare import Preparation

SIZE, EPOCHS = 224, 40


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
