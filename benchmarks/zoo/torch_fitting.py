"""One member trained by PyTorch and exported to ONNX, as users of torchvision and timm do it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from benchmarks.zoo.fitted import BATCH, CLIP, SHIFT, SMOOTHING, WEIGHT_DECAY, Fitted, Member, rate
from benchmarks.zoo.images import arrays
from benchmarks.zoo.trained import CLASSES, TORCH, Recipe

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEGACY = {"opset_version": 17, "dynamo": False, "dynamic_axes": {"images": {0: "N"}, "logits": {0: "N"}}}


def network(name: str) -> torch.nn.Module:
    """An untrained member: images [N, 3, size, size], normalized as torchvision does it → logits [N, 10]."""
    if name == "torchvision_shufflenet":
        from torchvision.models import ShuffleNetV2

        return ShuffleNetV2([2, 3, 2], [24, 48, 96, 160, 192], num_classes=CLASSES)
    import timm

    if name == "timm_resnet":
        return timm.create_model("test_resnet", num_classes=CLASSES, channels=(16, 24, 40, 56))
    return timm.create_model(
        "test_vit", num_classes=CLASSES, img_size=TORCH[name].size, patch_size=8, embed_dim=64, num_heads=4, depth=4
    )


def train_member(name: str, folder: Path, out: Path, seconds: float, seed: int) -> Member:
    """Train it on the images in `folder` and write `out`/NAME.onnx."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    built = network(name).to(device, memory_format=torch.channels_last)
    fitted = _fit(built, TORCH[name], folder, seconds, device)
    _export(name, built.cpu().eval(), out / f"{name}.onnx")
    kind = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    count = sum(weight.numel() for weight in built.parameters())
    return Member(fitted, count, {"torch": torch.__version__}, kind)


def _fit(built: Any, recipe: Recipe, folder: Path, seconds: float, device: torch.device) -> Fitted:
    images, labels = _on_device(folder, "train", device)
    decayed = [weight for weight in built.parameters() if weight.ndim > 1]
    plain = [weight for weight in built.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate)
    started, step, share, value = time.perf_counter(), 0, 0.0, 0.0
    steps = recipe.epochs * len(labels) // BATCH
    built.train()
    while share < 1:
        for group in optimizer.param_groups:
            group["lr"] = float(rate(recipe.rate, share))
        picked = torch.randint(len(labels), (BATCH,), device=device)
        x = _normalized(_augmented(images[picked]), recipe)
        loss = functional.cross_entropy(built(x), labels[picked], label_smoothing=SMOOTHING)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(built.parameters(), CLIP)
        optimizer.step()
        step += 1
        if step % 10 == 0 or step == steps:
            value = float(loss.detach())
        share = max(step / steps, (time.perf_counter() - started) / seconds)
    found = _accuracy(built.eval(), recipe, *_on_device(folder, "test", device))
    return Fitted(step, value, found, 0.0, time.perf_counter() - started)


def _on_device(folder: Path, split: str, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = (torch.from_numpy(each).to(device) for each in arrays(folder, split))
    return images.permute(0, 3, 1, 2), labels


def _accuracy(built: Any, recipe: Recipe, images: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        parts = [built(_normalized(part.float(), recipe)).argmax(1) for part in images.split(BATCH)]
    return float((torch.cat(parts) == labels).float().mean())


def _augmented(images: torch.Tensor) -> torch.Tensor:
    """Images float32, half of them mirrored, each moved by up to SHIFT pixels."""
    count, device = len(images), images.device
    flipped = torch.rand(count, 1, 1, 1, device=device) < 0.5
    images = torch.where(flipped, images.flip(3), images).float()
    padded = functional.pad(images, (SHIFT,) * 4, mode="reflect")
    corners = torch.randint(2 * SHIFT + 1, (2, count, 1), device=device)
    rows = (corners[0] + torch.arange(images.shape[2], device=device))[:, None, :, None]
    columns = (corners[1] + torch.arange(images.shape[3], device=device))[:, None, None, :]
    each, channel = (torch.arange(n, device=device) for n in (count, 3))
    return padded[each[:, None, None, None], channel[None, :, None, None], rows, columns]


def _normalized(images: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Images float32 [n, 3, 32, 32] of 0..255 at the recipe's size, in whole numbers, then normalized."""
    if recipe.size != images.shape[2]:
        images = functional.interpolate(images, size=(recipe.size, recipe.size), mode="bilinear").round()
    mean, std = (torch.tensor(each, device=images.device).view(1, 3, 1, 1) for each in (MEAN, STD))
    return ((images / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def _export(name: str, built: Any, path: Path) -> None:
    """By the exporter of torch.export for timm's transformer, by that of TorchScript for the others."""
    images = torch.zeros(2, 3, TORCH[name].size, TORCH[name].size)
    if name == "timm_vit":
        shapes = ({0: torch.export.Dim("N")},)
        torch.onnx.export(built, (images,), str(path), dynamo=True, dynamic_shapes=shapes, external_data=False)
    else:
        torch.onnx.export(built, (images,), str(path), input_names=["images"], output_names=["logits"], **LEGACY)
