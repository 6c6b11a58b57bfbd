"""The networks of the zoo, as they come in: files that were trained, files of PyTorch, and networks around layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.commands import ROOT
from benchmarks.zoo.trained import TORCH, TRAINED

MODELS = ROOT / "results" / "models"
TORCHVISION = {"scale": "1/255", "mean": "[0.485,0.456,0.406]", "std": "[0.229,0.224,0.225]"}
ELSEWHERE = {
    "resnet8": MODELS / "zoo" / "given" / "resnet8_quantize_static.onnx",
    "torchvision_shufflenet": MODELS / "zoo" / "given" / "torchvision_shufflenet_modelopt.onnx",
}
"""Graphs that other tools have quantized; benchmarks/zoo/elsewhere.py made them."""
LAYER_NETS = (
    "squeeze and excite",
    "branches",
    "ConvNeXt block",
    "multi-head attention",
    "channel shuffle",
    "transposed convolution",
    "layer normalization",
    "depthwise convolution, dilated",
)
"""Of benchmarks/export/nets.py: random weights, and a last layer that is fitted to the images."""


@dataclass(frozen=True)
class Network:
    """A file of a network, or the layers that one is built around; its images' size; settings of `model`.

    `given` is a graph of it that another tool has quantized, which comes in beside what is made here.
    """

    name: str
    size: int
    path: Path | None = None
    settings: dict[str, str] = field(default_factory=dict)
    given: Path | None = None

    @property
    def form(self) -> str:
        """The configuration's name of the way in."""
        return "onnx_file" if self.path and self.path.suffix == ".onnx" else "keras_file"


def _networks() -> list[Network]:
    zoo = MODELS / "zoo"
    return [
        *(Network(name, recipe.size, zoo / f"{name}.keras") for name, recipe in TRAINED.items()),
        *(
            Network(name, recipe.size, zoo / f"{name}.onnx", TORCHVISION, ELSEWHERE.get(name))
            for name, recipe in TORCH.items()
        ),
        Network("resnet8", 32, MODELS / "resnet8.onnx", given=ELSEWHERE["resnet8"]),
        Network("resnet20", 32, MODELS / "resnet20.keras"),
        Network("mobilenet_v2, width 1.3", 32, MODELS / "mobilenet_v2.keras"),
        *(Network(name, 32) for name in LAYER_NETS),
    ]


NETWORKS = {network.name: network for network in _networks()}
