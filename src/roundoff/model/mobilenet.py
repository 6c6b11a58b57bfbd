"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381, table 2), its strides free to be set for small images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roundoff.model.base import Model, classified, normalised_input
from roundoff.pipeline.limits import require

if TYPE_CHECKING:
    import keras

# Expansion, channels and repeats of the paper's seven stages.
STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
WIDEST = 16  # 2 GB of weights


@dataclass(frozen=True)
class MobileNetV2(Model):
    """Inverted residual blocks; `width` multiplies every channel count (the head's only above 1, as in the paper).

    `strides` has eight entries: the stem's, then each stage's first block's.
    """

    width: float
    strides: list[int]
    batch_norm_momentum: float = 0.9

    def __post_init__(self) -> None:
        require(0 < self.width <= WIDEST, "model.width", self.width, f"a multiplier above 0, at most {WIDEST}")
        fits = len(self.strides) == len(STAGES) + 1 and all(stride in (1, 2) for stride in self.strides)
        require(fits, "model.strides", self.strides, f"{len(STAGES) + 1} numbers, each 1 or 2")
        momentum = self.batch_norm_momentum
        require(0 <= momentum < 1, "model.batch_norm_momentum", momentum, "a number in [0, 1)")

    def build(
        self, shape: tuple[int, int, int], classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> keras.Model:
        image, x = normalised_input(shape, mean, std)
        x = self._convolution(x, eighths(STEM_CHANNELS * self.width), 3, self.strides[0], "stem")
        for stage, (expansion, channels, repeats) in enumerate(STAGES, start=1):
            for block in range(repeats):
                stride = self.strides[stage] if block == 0 else 1
                name = f"stage{stage}_block{block + 1}"
                x = self._block(x, expansion, eighths(channels * self.width), stride, name)
        head = eighths(HEAD_CHANNELS * max(1.0, self.width))
        return classified(image, self._convolution(x, head, 1, 1, "head"), classes)

    def _block(self, x: Any, expansion: int, channels: int, stride: int, name: str) -> Any:
        from keras import layers

        y = x
        if expansion > 1:
            y = self._convolution(y, expansion * x.shape[-1], 1, 1, f"{name}_expand")
        y = layers.DepthwiseConv2D(
            3,
            stride,
            padding="same",
            use_bias=False,
            depthwise_initializer="he_normal",
            name=f"{name}_depthwise_conv",
        )(y)
        y = self._normalised(y, f"{name}_depthwise", relu=True)
        y = self._convolution(y, channels, 1, 1, f"{name}_project", relu=False)
        return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and x.shape[-1] == channels else y

    def _convolution(self, x: Any, channels: int, kernel: int, stride: int, name: str, relu: bool = True) -> Any:
        from keras import layers

        x = layers.Conv2D(
            channels,
            kernel,
            stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_conv",
        )(x)
        return self._normalised(x, name, relu)

    def _normalised(self, x: Any, name: str, relu: bool) -> Any:
        from keras import layers

        x = layers.BatchNormalization(momentum=self.batch_norm_momentum, name=f"{name}_norm")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def eighths(channels: float) -> int:
    """`channels` rounded to a multiple of 8, never more than 10 % below (the paper's reference implementation)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8
