"""A trained classifier of one's own, from a Keras file or a TensorFlow SavedModel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.model.base import INPUT_NAME, Images, Logits, OpenModel, Saved, SavedTensorflow, Taken, TakenModel
from roundoff.model.taking.preprocessing import Preprocessing


@dataclass(frozen=True)
class KerasFile(TakenModel):
    """The classifier in the .keras or .h5 file at `path`, or in the SavedModel folder there: images in, classes out.

    A softmax or sigmoid at the end is left out, since it changes no answer; one output becomes two logits. A batch
    dimension that is fixed is opened where the layers, or the SavedModel's graph, allow it.
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
    head_removed: str | None

    @property
    def takes_pixels(self) -> bool:  # type: ignore[override]
        return bool(self.network.inputs[0].dtype == "uint8")

    def with_preprocessing(self, preprocessing: Preprocessing) -> Taken:
        return TakenKeras(self, preprocessing)

    @cached_property
    def answers(self) -> Callable[[Any], Any]:
        """What the network answers to a batch; compiled once, for it is asked under several preprocessings."""
        import keras

        self.network.jit_compile = False  # its compilation would take longer than the answers
        return lambda given: keras.tree.flatten(self.network.predict_on_batch(given))[self.output]


@dataclass(frozen=True)
class TakenKeras(Taken):
    """The whole classifier: the network between its preprocessing and its head."""

    opened: OpenKeras
    preprocessing: Preprocessing

    def logits(self, images: Images) -> Logits:
        from roundoff.model.taking.keras_wrapping import headed, preprocessed

        given = preprocessed(np.asarray(images), self.preprocessing, self.opened.takes_pixels)
        return np.asarray(headed(self.opened.answers(np.asarray(given)), self.opened.columns), np.float32)

    def whole(self) -> Any:
        """One Keras model from pixels to logits."""
        import keras

        from roundoff.model.taking.keras_wrapping import headed, preprocessed

        image = keras.Input(self.opened.shape, dtype="uint8", name=INPUT_NAME)
        given = preprocessed(image, self.preprocessing, self.opened.takes_pixels)
        answers = keras.tree.flatten(self.opened.network(given))[self.opened.output]
        return keras.Model(image, headed(answers, self.opened.columns), name="classifier")

    def save(self, directory: Path) -> Saved:
        from roundoff.model.taking.keras_wrapping import save

        save(self.whole(), directory / "model.keras")
        return SavedTensorflow(form="keras", file="model.keras", head_removed=self.opened.head_removed)
