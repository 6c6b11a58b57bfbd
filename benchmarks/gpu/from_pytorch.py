"""Networks of PyTorch that read pixels as bytes, exported to ONNX and held against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from roundoff.dataset.base import Images, Split
from roundoff.system.files import whole_file

BATCH = 64
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


def export(model: nn.Module, example: Images, path: Path) -> None:
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
    """Top-1 in FP32, on the model's device."""
    with torch.no_grad():
        answers = [model(batch).argmax(1).cpu().numpy() for batch in batches(model, split.images)]
    return float((np.concatenate(answers) == split.labels).mean())


def batches(model: nn.Module, images: Images) -> Iterator[torch.Tensor]:
    """Images uint8 [N, H, W, C] in order, BATCH at a time, on the model's device."""
    device = next(model.parameters()).device
    for start in range(0, len(images), BATCH):
        yield torch.from_numpy(np.array(images[start : start + BATCH])).to(device)
