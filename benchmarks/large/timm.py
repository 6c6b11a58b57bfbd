"""Five networks of timm as ONNX graphs, random weights and a fitted head:

    python -m benchmarks.large timm --images patterns.zip --prepared data/prepared-224 --out models [NAME …]

Prepares the zip's images first where PREPARED is missing. Batch norms take their statistics from the images. Needs
PyTorch and timm, and takes a GPU where there is one. Raises where ONNX Runtime and PyTorch disagree.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

from benchmarks.gpu.from_pytorch import BATCH, FromPixels, accuracy, batches, export
from benchmarks.large.head import Array, fitted
from roundoff.dataset.base import Images, Prepared
from roundoff.dataset.image_folder import ImageFolder
from roundoff.dataset.preparing.prepare import Preparation

NETWORKS = {
    "resnet50": "resnet50",
    "efficientnet_b0": "efficientnet_b0",
    "mobilenet_v3": "mobilenetv3_large_100",
    "vit_tiny": "vit_tiny_patch16_224",
    "convnext_tiny": "convnext_tiny",
}
SIZE, SETTLING = 224, 8
"""Pixels; batches that batch norms take their statistics from."""


def prepared(archive: Path, folder: Path) -> Prepared:
    """The zip's images at SIZE."""
    if not folder.exists():
        Preparation(seed=0, calibration_pool=2048).run(ImageFolder(str(archive), SIZE), folder)
    return Prepared(folder)


def network(name: str, given: Prepared, device: torch.device) -> nn.Module:
    """From uint8 [N, 224, 224, 3] to logits [N, classes]."""
    torch.manual_seed(0)
    train, classes = given.split("train"), len(given.manifest.classes)
    inner = timm.create_model(NETWORKS[name], pretrained=False, num_classes=classes)
    model = FromPixels(inner).to(device)
    _settle(model, train.images)
    weights, bias = fitted(_features(model, inner, train.images), train.labels, classes)
    head = inner.get_classifier()
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights.T)))
        head.bias.copy_(torch.from_numpy(bias))
    model.eval()
    return model


def _settle(model: nn.Module, images: Images) -> None:
    """Batch norms' running statistics, as means over some batches."""
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.eval()
    for norm in norms:
        norm.train()
    spread = np.random.default_rng(0).permutation(len(images))[: SETTLING * BATCH]
    with torch.no_grad():
        for batch in batches(model, images[np.sort(spread)]):
            model(batch)
    model.eval()


def _features(model: FromPixels, inner: nn.Module, images: Images) -> Array:
    """What enters the last layer: float32 [N, F]."""
    kept: list[torch.Tensor] = []
    hook = inner.get_classifier().register_forward_pre_hook(lambda _, given: kept.append(given[0].cpu()))
    with torch.no_grad():
        for batch in batches(model, images):
            model(batch)
    hook.remove()
    found: Array = torch.cat(kept).numpy()
    return found


def main(arguments: Sequence[str]) -> int:
    """Make them, say how well they classify, export."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.large timm", description=__doc__, formatter_class=style)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)}; all by default")
    parser.add_argument("--images", type=Path, required=True, help="the zip")
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the graphs")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - NETWORKS.keys():
        parser.error(f"no network {', '.join(sorted(unknown))}; there are {', '.join(NETWORKS)}")
    given = prepared(chosen.images, chosen.prepared)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    test = given.split("test")
    for name in chosen.names or NETWORKS:
        model = network(name, given, device)
        print(f"{name}: top-1 on {len(test.labels)} test images {accuracy(model, test):.4f}", flush=True)
        export(model, np.ascontiguousarray(test.images[:16]), chosen.out / f"{name}.onnx")
    return 0
