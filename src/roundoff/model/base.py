"""What a model is: a Keras graph from raw pixels to logits, with its preprocessing inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from roundoff.errors import DataError

if TYPE_CHECKING:
    import keras

INPUT_NAME = "image"
OUTPUT_NAME = "logits"


class Model(ABC):
    """An architecture. A subclass is a frozen dataclass whose fields are its YAML's keys; it uses Keras 3 alone.

    What `build` gives is trained, unless the class says that it is `trained`.
    """

    trained: ClassVar[bool] = False

    @abstractmethod
    def build(
        self, shape: tuple[int, int, int], classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> keras.Model:
        """A model: `image` uint8 [N, H, W, C] in 0..255 → `logits` float32 [N, classes].

        `mean` and `std` hold one value per channel, in pixel units; raises DataError where they do not fit `shape`.
        """


def normalised_input(shape: tuple[int, int, int], mean: Sequence[float], std: Sequence[float]) -> tuple[Any, Any]:
    """The input tensor, and (pixel − mean) ÷ std as float32 [N, H, W, C], computed in the graph.

    A channel that is constant in the training split (std 0) is only centred.
    """
    import keras

    if len(mean) != shape[-1] or len(std) != shape[-1]:
        raise DataError(
            "The channel statistics do not fit the images",
            received=f"{len(mean)} means and {len(std)} deviations for images of shape {shape}",
            expected=f"{shape[-1]} of each, one per channel",
            fix="run the prepare stage again",
        )
    image = keras.Input(shape, dtype="uint8", name=INPUT_NAME)
    scale = [1.0 / deviation if deviation > 0 else 1.0 for deviation in std]
    offset = [-centre * factor for centre, factor in zip(mean, scale, strict=True)]
    return image, keras.layers.Rescaling(scale, offset, name="normalise")(image)


def classified(image: Any, features: Any, classes: int) -> keras.Model:
    """The model from `image` to logits [N, classes]: average pooling over `features` [N, h, w, c], then one Dense."""
    import keras

    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    logits = keras.layers.Dense(classes, name=OUTPUT_NAME)(pooled)
    return keras.Model(image, logits, name="classifier")
