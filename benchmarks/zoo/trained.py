"""The members that are trained here: which size, and how. Their layers are in families.py and torch_fitting.py."""

from __future__ import annotations

from dataclasses import dataclass

CLASSES = 10


@dataclass(frozen=True)
class Recipe:
    """Images of `size` × `size` pixels as `dtype` in 0..255; at most `epochs`, from learning rate `rate` down to 0."""

    size: int = 32
    epochs: int = 40
    rate: float = 4e-3
    dtype: str = "uint8"


TRAINED = {
    "resnet_v1": Recipe(),
    "resnet_v2": Recipe(dtype="float32"),
    "conv_relu_bn": Recipe(),
    "conv_swish": Recipe(),
    "conv_flatten": Recipe(rate=2e-3),
    "resnext": Recipe(),
    "xception": Recipe(size=48),
    "mobilenet_v2": Recipe(size=64),
    "mobilenet_v3": Recipe(size=64),
    "efficientnet": Recipe(size=64),
    "densenet": Recipe(),
    "inception": Recipe(size=96),
    "convnext": Recipe(size=64),
    "vit": Recipe(epochs=60, rate=2e-3, dtype="float32"),
    "mlp_mixer": Recipe(size=64, epochs=60, rate=2e-3),
    "gru": Recipe(rate=3e-3),
}

TORCH = {
    "torchvision_shufflenet": Recipe(size=64, epochs=30),
    "timm_resnet": Recipe(epochs=30),
    "timm_vit": Recipe(size=64, epochs=30, rate=2e-3),
}
"""Trained by PyTorch and exported to ONNX."""
