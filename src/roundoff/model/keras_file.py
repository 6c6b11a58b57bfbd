"""A trained classifier of one's own, from a Keras file or a TensorFlow SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.model.base import INPUT_NAME, Images, Logits, OpenModel, Taken, TakenModel
from roundoff.model.taking.preprocessing import Preprocessing


@dataclass(frozen=True)
class KerasFile(TakenModel):
    """The classifier in the .keras or .h5 file at `path`, or in the SavedModel folder there: images in, classes out.

    A softmax or sigmoid at the end of a Keras file is left out, since it changes no answer; one output becomes two
    logits. A SavedModel is taken as it is.
    """

    def open(self, shape: tuple[int, int, int], classes: Sequence[str]) -> OpenModel:
        from roundoff.model.taking.keras_opening import opened

        if Path(self.path).is_dir():
            from roundoff.model.taking.saved_model import opened_saved

            return opened_saved(self, shape, classes)
        return OpenKeras(*opened(self, shape, classes))


@dataclass(frozen=True)
class OpenKeras(OpenModel):
    """A Keras model that fits the dataset; `columns` are those of its answers that stay."""

    network: Any
    output: int
    shape: tuple[int, int, int]
    columns: tuple[int, ...]
    facts: dict[str, Any]

    @property
    def takes_pixels(self) -> bool:  # type: ignore[override]
        return bool(self.network.inputs[0].dtype == "uint8")

    def with_preprocessing(self, preprocessing: Preprocessing) -> Taken:
        import keras

        from roundoff.model.taking.keras_wrapping import headed, preprocessed

        image = keras.Input(self.shape, dtype="uint8", name=INPUT_NAME)
        pixels = preprocessed(image, preprocessing, self.takes_pixels)
        answers = keras.tree.flatten(self.network(pixels))[self.output]
        whole = keras.Model(image, headed(answers, self.columns), name="classifier")
        return TakenKeras(whole, self.facts)


@dataclass(frozen=True)
class TakenKeras(Taken):
    """The whole Keras model, from pixels to logits."""

    network: Any
    facts: dict[str, Any]

    def logits(self, images: Images) -> Logits:
        return np.asarray(self.network(np.asarray(images), training=False), np.float32)

    def save(self, directory: Path) -> dict[str, Any]:
        from roundoff.model.taking.keras_wrapping import save

        save(self.network, directory / "model.keras")
        return {"form": "keras", "file": "model.keras", **self.facts}
