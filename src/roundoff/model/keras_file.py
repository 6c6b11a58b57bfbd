"""A trained model of one's own, from a .keras file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from roundoff.errors import ConfigError, DataError
from roundoff.model.base import INPUT_NAME, Model
from roundoff.pipeline.limits import require

if TYPE_CHECKING:
    import keras

LARGEST = 1e6  # of a pixel's scale and offset


@dataclass(frozen=True)
class KerasFile(Model):
    """The trained Keras 3 model at `path`, taken as it is: it is not trained any further.

    Its input is images [N, H, W, C] of the dataset's size, N open. Where that is uint8, it gets the pixels; where it is
    a float type, pixels × `scale` + `offset` (0 to 1 by 1/255 and 0, -1 to 1 by 1/127.5 and -1). Its output is
    [N, classes], in the order of the dataset's classes, which is alphabetical for a folder of images.
    """

    trained: ClassVar[bool] = True

    path: str
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        require(bool(self.path), "model.path", repr(self.path), "a .keras file")
        require(0 < abs(self.scale) <= LARGEST, "model.scale", self.scale, f"a number other than 0, up to ±{LARGEST:g}")
        require(abs(self.offset) <= LARGEST, "model.offset", self.offset, f"a number up to ±{LARGEST:g}")

    def build(
        self, shape: tuple[int, int, int], classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> keras.Model:
        """The model with its preprocessing in front; `mean` and `std` are not used.

        Raises ConfigError where there is no such file, DataError for one that is not to be read or that does not fit.
        """
        import keras

        network = self._loaded()
        self._check(network, shape, classes)
        if network.inputs[0].dtype == "uint8":
            return network
        image = keras.Input(shape, dtype="uint8", name=INPUT_NAME)
        pixels = keras.layers.Rescaling(self.scale, self.offset, dtype="float32", name="pixels")(image)
        return keras.Model(image, network(pixels), name="classifier")

    def _loaded(self) -> Any:
        import keras

        if not Path(self.path).is_file():
            raise ConfigError(
                "model.path names no file",
                received=self.path,
                expected="a .keras file",
                fix="set model.path=PATH, absolute, since experiments run in a copy of the project",
            )
        try:
            # never code from the file: a Lambda layer is refused
            network = keras.models.load_model(self.path, compile=False, safe_mode=True)
            len(network.inputs), len(network.outputs)
        except Exception as error:  # Keras raises whatever the layers do
            raise DataError(
                f"{self.path} does not load as a Keras model",
                received=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                expected="a .keras file of Keras 3, functional or sequential, of Keras' own layers without Lambda",
                fix="save it with model.save('model.keras'), custom layers replaced by Keras' own",
            ) from error
        return network

    def _check(self, network: Any, shape: tuple[int, int, int], classes: int) -> None:
        images, answers = (None, *shape), (None, classes)
        found = [tuple(tensor.shape) for tensor in network.inputs], [tuple(tensor.shape) for tensor in network.outputs]
        if found != ([images], [answers]):
            raise DataError(
                f"{self.path} does not fit the prepared dataset",
                received=f"inputs {found[0]}, outputs {found[1]}",
                expected=f"one input {images} and one output {answers}",
                fix="prepare images of its size (dataset.size) and its classes; leave its batch dimension open (None)",
            )
