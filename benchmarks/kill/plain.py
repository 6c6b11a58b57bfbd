"""The smallest network that is one, put into the copy of the checkout as a model of one's own: two layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roundoff.model.base import OUTPUT_NAME, Model, normalised_input

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Plain(Model):
    """One convolution of `width` channels, and the classifier: little for Keras to trace and for tf2onnx to convert."""

    width: int

    def build(
        self, shape: tuple[int, int, int], classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> keras.Model:
        import keras
        from keras import layers

        image, x = normalised_input(shape, mean, std)
        convolved = layers.Conv2D(self.width, 3, 2, padding="same", activation="relu", name="convolution")(x)
        logits = layers.Dense(classes, name=OUTPUT_NAME)(layers.Flatten(name="flat")(convolved))
        return keras.Model(image, logits, name="classifier")
