"""A TensorFlow SavedModel, taken: a graph with its weights, and with code in TensorFlow's operators (SECURITY.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from roundoff.errors import DataError
from roundoff.model.base import INPUT_NAME, OUTPUT_NAME, Images, Logits, OpenModel, Saved, SavedTensorflow, Taken
from roundoff.model.taking.classes import class_names, columns
from roundoff.model.taking.fitting import chosen_output, require_images
from roundoff.model.taking.independence import require_independent
from roundoff.model.taking.keras_opening import answers
from roundoff.model.taking.preprocessing import Preprocessing
from roundoff.model.taking.saved_batch import with_open_batch
from roundoff.model.taking.saved_softmax import without_softmax
from roundoff.system.keras_import import quiet_keras

if TYPE_CHECKING:
    from roundoff.model.base import TakenModel

SERVING = "serving_default"
FOLDER = "saved_model"


@dataclass(frozen=True)
class OpenSaved(OpenModel):
    """A SavedModel that fits the dataset: what it `answers` to a batch, and the object that has its variables.

    `plain` says that nothing stands behind the last sum: a single answer is then a logit, else a probability.
    """

    answers: Callable[[Any], Any]
    holder: Any
    shape: tuple[int, int, int]
    count: int
    columns: tuple[int, ...]
    takes_pixels: bool
    head_removed: str | None
    plain: bool

    def with_preprocessing(self, preprocessing: Preprocessing) -> Taken:
        return TakenSaved(self, preprocessing)

    def classify(self, image: Any, preprocessing: Preprocessing) -> Any:
        """What the model answers for uint8 images [n, H, W, C]: [n, classes]."""
        return self._headed(self.answers(self._preprocessed(image, preprocessing)))

    def _preprocessed(self, image: Any, preprocessing: Preprocessing) -> Any:
        import tensorflow as tf

        values = image if self.takes_pixels else tf.cast(image, tf.float32)
        if preprocessing.channel_order == "bgr":
            values = tf.gather(values, [2, 1, 0], axis=3)
        if self.takes_pixels:
            return values
        factors, summands = (np.array(each, np.float32) for each in preprocessing.affine())
        return values * factors + summands

    def _headed(self, values: Any) -> Any:
        """Two answers of one: −z/2 and z/2 of a logit, 1 − p and p of a probability."""
        import tensorflow as tf

        flat = tf.reshape(values, [-1, self.count])
        if self.count == 1:
            flat = tf.concat([-flat / 2, flat / 2] if self.plain else [1 - flat, flat], axis=1)
        whole = tuple(range(max(2, self.count)))
        return flat if self.columns == whole else tf.gather(flat, list(self.columns), axis=1)


@dataclass(frozen=True)
class TakenSaved(Taken):
    """The whole classifier, from pixels to what it answers for each class."""

    opened: OpenSaved
    preprocessing: Preprocessing

    def logits(self, images: Images) -> Logits:
        import tensorflow as tf

        answered = self.opened.classify(tf.constant(np.asarray(images)), self.preprocessing)
        return np.asarray(answered, np.float32)

    def save(self, directory: Path) -> Saved:
        import tensorflow as tf

        specification = tf.TensorSpec([None, *self.opened.shape], tf.uint8, name=INPUT_NAME)

        def classify(image: Any) -> Any:
            return {OUTPUT_NAME: self.opened.classify(image, self.preprocessing)}

        module = tf.Module()
        module.network = self.opened.holder  # its variables are saved with what holds them
        module.classify = tf.function(classify, input_signature=[specification], autograph=False)
        # A swish brings its own gradient, which cannot be saved once it has been loaded; nobody trains any more.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, str(directory / FOLDER), {SERVING: module.classify}, options)
        return SavedTensorflow(form="saved_model", file=FOLDER, head_removed=self.opened.head_removed)


def opened_saved(source: TakenModel, shape: tuple[int, int, int], classes: Sequence[str]) -> OpenSaved:
    """The SavedModel at `source.path`, fit for images [*shape] of `classes`; see `TakenModel.open`."""
    path = Path(source.path)
    loaded, function = _loaded(path)
    inputs = function.structured_input_signature[1]
    if len(inputs) != 1:
        raise DataError(
            f"{path} does not take one image",
            received=f"inputs {', '.join(inputs)}",
            expected="one input, of images",
            fix="save a function of the images alone",
        )
    ((name, taken),) = inputs.items()
    _require_images(path, taken, shape)
    source.preprocessing.require_fit(shape[2], taken.dtype == "uint8")
    function = with_open_batch(path, function, shape)
    output = chosen_output(path, list(function.structured_outputs), source.output)
    count = answers(path, tuple(function.structured_outputs[output].shape))
    chosen = columns(max(2, count), classes, class_names(source.classes))
    uint8 = taken.dtype == "uint8"
    cut = without_softmax(function, output)

    def answered(given: Any) -> Any:
        return function(**{name: given})[output]

    _require_independent(path, cut.before or answered, shape, uint8)
    if cut.before is not None:
        return OpenSaved(cut.before, None, shape, count, chosen, uint8, cut.removed, True)
    return OpenSaved(answered, loaded, shape, count, chosen, uint8, None, cut.seen)


def _require_independent(path: Path, answered: Callable[[Any], Any], shape: tuple[int, int, int], uint8: bool) -> None:
    import tensorflow as tf

    require_independent(path, lambda images: tf.nest.flatten(answered(tf.constant(images)))[0], shape, uint8)


def _loaded(path: Path) -> tuple[Any, Any]:
    quiet_keras()
    try:
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises what its parts do
        raise DataError(
            f"{path} does not load as a SavedModel",
            received=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:500],
            expected="a folder with saved_model.pb and variables/, as model.export or tf.saved_model.save write it",
            fix="set model.path to that folder itself, or give a .keras, .h5 or ONNX file",
        ) from error
    signatures = dict(loaded.signatures)
    if SERVING in signatures or len(signatures) == 1:
        return loaded, signatures.get(SERVING) or next(iter(signatures.values()))
    raise DataError(
        f"{path} does not say which function is to be called",
        received=f"signatures {', '.join(signatures) or 'none'}",
        expected=f"a signature {SERVING}",
        fix=f"save it with signatures={{'{SERVING}': FUNCTION}}, or by model.export of a Keras model",
    )


def _require_images(path: Path, taken: Any, shape: tuple[int, int, int]) -> None:
    sizes = tuple(taken.shape) if taken.shape.rank is not None else ()
    if len(sizes) != 4 or taken.dtype not in ("uint8", "float32"):
        raise DataError(
            f"{path} does not take images",
            received=f"{taken.dtype.name} {sizes}",
            expected="uint8 or float32 (N, height, width, channels)",
            fix="save a function of images, not of files or serialized examples",
        )
    require_images(path, sizes[1:], shape)
