"""What a model is: an architecture to be trained, or a trained model to be taken as it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roundoff.errors import DataError
from roundoff.model.taking.classes import check_classes
from roundoff.model.taking.preprocessing import Preprocessing, preprocessing_of
from roundoff.model.taking.settings import setting
from roundoff.pipeline.limits import require

if TYPE_CHECKING:
    import keras

Images = NDArray[np.uint8]
Logits = NDArray[np.float32]

INPUT_NAME = "image"
OUTPUT_NAME = "logits"


class AnyModel:
    """What `model` in the configuration may name: a `Model`, which gets trained, or a `TakenModel`, which is not."""

    @property
    def title(self) -> str:
        """What a reader of the report knows it by."""
        return type(self).__name__


class Model(AnyModel, ABC):
    """An architecture, trained here. A subclass is a frozen dataclass whose fields are its YAML's keys.

    It uses Keras 3 alone.
    """

    @abstractmethod
    def build(
        self, shape: tuple[int, int, int], classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> keras.Model:
        """A model: `image` uint8 [N, H, W, C] in 0..255 → `logits` float32 [N, classes].

        `mean` and `std` hold one value per channel, in pixel units; raises DataError where they do not fit `shape`.
        """


@dataclass(frozen=True)
class TakenModel(AnyModel, ABC):
    """A trained classifier at `path`, taken as it is. A subclass is one way in: a frozen dataclass as `Model` is.

    What the network gets is (pixel × `scale` + `offset` − `mean`) ÷ `std`, each one number or one per channel, in the
    `channel_order` that it was trained with; one that takes uint8 gets the pixels. `classes` names what its answers
    stand for, in their order: a list, or a text file with one name a line; null where that is the dataset's order,
    which is alphabetical for a folder of images. Answers for classes that the dataset does not have are left out.
    `output` names one of several outputs. `check_preprocessing` compares with the usual other preprocessings on
    held-out training images, and stops where one is clearly better.
    """

    path: str
    scale: Any = 1.0
    offset: Any = 0.0
    mean: Any = None
    std: Any = None
    channel_order: str = "rgb"
    classes: Any = None
    output: str | None = None
    check_preprocessing: bool = True

    def __post_init__(self) -> None:
        require(bool(self.path), setting("path"), repr(self.path), "the path of a trained model")
        require(self.output != "", setting("output"), "''", "the name of one of the model's outputs, or null")
        self.preprocessing  # noqa: B018 - refuses what is no preprocessing
        check_classes(self.classes)

    @property
    def title(self) -> str:
        return Path(self.path).name

    @property
    def preprocessing(self) -> Preprocessing:
        """What is written in front of the network; ConfigError where the settings say none."""
        return preprocessing_of(self.scale, self.offset, self.mean, self.std, self.channel_order)

    @abstractmethod
    def open(self, shape: tuple[int, int, int], classes: Sequence[str]) -> OpenModel:
        """Read the model and see that it fits images [*shape] of the dataset's `classes`.

        Raises ConfigError where nothing is at `path`, DataError for what cannot be read or does not fit.
        """


class OpenModel(ABC):
    """A trained model that fits the dataset, whose preprocessing may still be chosen."""

    takes_pixels: bool  # as uint8, so that scale, offset, mean and std have no place

    @abstractmethod
    def with_preprocessing(self, preprocessing: Preprocessing) -> Taken:
        """The whole classifier, from pixels to logits."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A model in a folder: its form, and the file or folder in there that holds it.

    A subclass adds what is to be told in model.json of how the model was taken.
    """

    form: str
    file: str


@dataclass(frozen=True, kw_only=True)
class SavedTensorflow(Saved):
    """A Keras model, or a SavedModel; `head_removed` is the softmax that was left out at its end."""

    head_removed: str | None = None


@dataclass(frozen=True, kw_only=True)
class SavedOnnx(Saved):
    """An ONNX graph; `layout`, nchw or nhwc, is that of the images that the file took."""

    opset: int
    head_removed: str | None
    layout: str


class Taken(ABC):
    """A classifier: `image` uint8 [N, H, W, C] in 0..255 → `logits` float32 [N, classes]."""

    @abstractmethod
    def logits(self, images: Images) -> Logits:
        """Logits float32 [n, classes] of uint8 images [n, H, W, C]."""

    @abstractmethod
    def save(self, directory: Path) -> Saved:
        """Write the model into `directory`."""


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
