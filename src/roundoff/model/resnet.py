"""ResNet for small images: He et al. 2015 (arXiv:1512.03385), section 4.2, and MLPerf Tiny's ResNet-8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roundoff.model.base import Model, classified, normalised_input
from roundoff.pipeline.limits import require

if TYPE_CHECKING:
    import keras

MOST_BLOCKS, MOST_WIDTH = 200, 1024  # the paper's deepest has 200; this width and one block are over 1 GB of weights


@dataclass(frozen=True)
class ResNet(Model):
    """6 · blocks + 2 layers: `blocks` residual blocks in each of three stages.

    The stages have `width`, 2 · `width` and 4 · `width` channels. As in MLPerf Tiny, a 1×1 convolution carries the
    shortcut wherever the shape changes.
    """

    blocks: int
    width: int
    batch_norm_momentum: float = 0.9

    def __post_init__(self) -> None:
        require(
            1 <= self.blocks <= MOST_BLOCKS,
            "model.blocks",
            self.blocks,
            f"at least 1 block per stage, at most {MOST_BLOCKS}",
        )
        require(1 <= self.width <= MOST_WIDTH, "model.width", self.width, f"at least 1 channel, at most {MOST_WIDTH}")
        momentum = self.batch_norm_momentum
        require(0 <= momentum < 1, "model.batch_norm_momentum", momentum, "a number in [0, 1)")

    @property
    def title(self) -> str:
        return f"ResNet-{6 * self.blocks + 2}"

    def build(
        self, shape: tuple[int, int, int], classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> keras.Model:
        image, x = normalised_input(shape, mean, std)
        x = self._activation(self._convolution(x, self.width, 3, 1, "stem"), "stem")
        for stage in range(3):
            for block in range(self.blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = self._block(x, self.width << stage, stride, f"stage{stage + 1}_block{block + 1}")
        return classified(image, x, classes)

    def _block(self, x: Any, channels: int, stride: int, name: str) -> Any:
        from keras import layers

        y = self._activation(self._convolution(x, channels, 3, stride, f"{name}_1"), f"{name}_1")
        y = self._convolution(y, channels, 3, 1, f"{name}_2")
        if stride > 1 or x.shape[-1] != channels:
            x = self._convolution(x, channels, 1, stride, f"{name}_shortcut")
        return self._activation(layers.Add(name=f"{name}_add")([x, y]), name)

    def _convolution(self, x: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
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
        return layers.BatchNormalization(momentum=self.batch_norm_momentum, name=f"{name}_norm")(x)

    @staticmethod
    def _activation(x: Any, name: str) -> Any:
        from keras import layers

        return layers.ReLU(name=f"{name}_relu")(x)
