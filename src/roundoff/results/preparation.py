"""What the stages before `evaluate` say of their work, as far as the report reads it; null: not recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

from roundoff.errors import DataError
from roundoff.results.checked import REMEDY, as_json, checked
from roundoff.results.message import Message, as_message
from roundoff.results.values import Count, NotNegative, Share, about

T = TypeVar("T")
FEW = {
    *("classes", "shape", "counts", "channel_mean", "channel_std", "duplicates", "seed", "calibration_indices"),
    *("source", "test"),
}
"""What the stages after prepare need of a manifest, at most."""


Suffices = Literal["yes", "no", "undecided"]


@dataclass(frozen=True, kw_only=True)
class AnyTrained:
    """train.json of any model."""

    model: Annotated[str | None, about("the architecture, or the file that it was taken from")] = None


@dataclass(frozen=True, kw_only=True)
class TrainedMetrics(AnyTrained):
    """train.json of a model that was trained: the last epoch's losses and accuracies, and the counts behind them."""

    loss: Annotated[float, about("training loss")]
    accuracy: Annotated[Share, about("on the training images, as they were augmented")]
    val_loss: Annotated[float, about("loss on held-out training images")]
    val_accuracy: Annotated[Share, about("on held-out training images")]
    epochs: Annotated[Count, about("epochs")]
    parameters: Annotated[Count, about("weights, biases and statistics")]
    train_images: Annotated[Count, about("images trained on")]
    validation_images: Annotated[Count, about("images held out")]
    keras_backend: Annotated[str, about("the library that Keras trained with")]


@dataclass(frozen=True, kw_only=True)
class TakenMetrics(AnyTrained):
    """train.json of a model that was trained already."""

    val_accuracy: Annotated[Share, about("on held-out training images")]
    epochs: Annotated[Count, about("0")]
    validation_images: Annotated[Count, about("images held out, of which at most a fixed number are looked at")]


@dataclass(frozen=True)
class Noise:
    """One tensor's noise: `sqnr_db` is 10 log10(sum x^2 / sum (x - q(x))^2); `kind` is activation or weight.

    `quantized` says whether the graph that is built holds this tensor in 8 bits, or only could; `clipped_percent` is
    the share of the nonzero values that were seen outside of [`low`, `high`]. All of these are of symmetric grids, the
    rest of those that are fitted to both ends, which weights never are: None.
    """

    tensor: str
    kind: str
    sqnr_db: float
    low: float
    high: float
    quantized: bool = True
    clipped_percent: float | None = None
    asymmetric_sqnr_db: float | None = None
    asymmetric_low: float | None = None
    asymmetric_high: float | None = None
    asymmetric_quantized: bool = True
    asymmetric_clipped_percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class DrawSize:
    """Agreement with FP32 on held-out training images, over random draws of so many calibration images."""

    images: Annotated[Count, about("calibration images of a draw")]
    agreement: Annotated[Share, about("mean over the draws")]
    agreement_low: Annotated[Share, about("95 % interval of another draw's")]
    agreement_high: Annotated[Share, about("95 % interval of another draw's")]
    lowest: Annotated[Share, about("least of the draws")]
    highest: Annotated[Share, about("largest of the draws")]


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What calibration's draw of images matters: `sizes` smallest first; no gain where there are no more images."""

    draws: Annotated[Count, about("random draws of each size")]
    judged: Annotated[Count, about("held-out training images that were answered")]
    sizes: Annotated[list[DrawSize], about("half, all and twice the images")]
    gain: Annotated[float | None, about("agreement that the most images add, as a share, mean over draws")] = None
    gain_low: Annotated[float | None, about("its 95 % interval")] = None
    gain_high: Annotated[float | None, about("its 95 % interval")] = None
    suffices: Annotated[Suffices | None, about("whether the images suffice: more add at most 0.1 points")] = None


@dataclass(frozen=True, kw_only=True)
class CalibrationMetrics:
    """calibrate.json."""

    method: Annotated[str | None, about("how the ranges were chosen")] = None
    images: Annotated[Count | None, about("calibration images")] = None
    held_out: Annotated[Count | None, about("training images that the noise was measured on")] = None
    tensors: Annotated[Count | None, about("tensors with a range")] = None
    worst_sqnr_db: Annotated[float | None, about("least ratio of signal to noise of what is held in 8 bits")] = None
    logit_error: Annotated[
        NotNegative | None,
        about("relative error of the 8-bit graph's logits on training images that chose no range; null: not finite"),
    ] = None
    clipped_percent_max: Annotated[NotNegative | None, about("largest share of a tensor's values outside")] = None
    max_clipped_percent: Annotated[NotNegative | None, about("share of the values that may be clipped, percent")] = None
    warnings: Annotated[list[Message | str] | None, about("what its guards found; text in files of before")] = None
    noise: Annotated[list[Noise] | None, about("of each tensor, worst first")] = None
    draws: Annotated[Draws | None, about("calibration over random draws of images; null: off, or too few images")] = (
        None
    )

    @property
    def findings(self) -> list[Message]:
        """The warnings as messages."""
        return [as_message(warning) for warning in self.warnings or []]


@dataclass(frozen=True, kw_only=True)
class ExportMetrics:
    """export.json: how closely the graph follows the model, and what it is made of."""

    relative_error: Annotated[NotNegative | None, about("of all logits, beside the model's")] = None
    argmax_mismatches: Annotated[Count | None, about("images of another class")] = None
    ties: Annotated[Count | None, about("images of another class within the tolerance")] = None
    images: Annotated[Count | None, about("images that both were compared on")] = None
    opset: Annotated[int | None, about("ONNX's operator set")] = None
    ir_version: Annotated[int | None, about("version of ONNX's format")] = None
    nodes: Annotated[dict[str, Count] | None, about("how many there are of each operator")] = None
    size_mb: Annotated[NotNegative | None, about("size of the file, 10^6 bytes")] = None
    onnx_sha256: Annotated[str | None, about("SHA-256 of the ONNX graph")] = None

    def __getitem__(self, key: str) -> object:
        """What export.json has at the key, for scripts that know the file."""
        return as_json(self)[key]


@dataclass(frozen=True, kw_only=True)
class KerasExport(ExportMetrics):
    """export.json of a Keras model."""

    keras_sha256: Annotated[str, about("SHA-256 of the .keras file")]


@dataclass(frozen=True, kw_only=True)
class SourceExport(ExportMetrics):
    """export.json of a model in another form."""

    source_sha256: Annotated[str, about("SHA-256 of the ONNX file, or of the SavedModel's files")]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Images of each split."""

    train: Annotated[Count | None, about("training images")] = None
    test: Annotated[Count | None, about("test images")] = None


@dataclass(frozen=True, kw_only=True)
class ClassCounts:
    """Images of each class, in each split."""

    train: Annotated[dict[str, Count], about("training images by class")] = field(default_factory=dict)
    test: Annotated[dict[str, Count], about("test images by class")] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ChannelStatistics:
    """Statistics of a split's pixels, per channel, on the scale 0 to 255."""

    channel_mean: Annotated[list[float], about("means")] = field(default_factory=list)
    channel_std: Annotated[list[float], about("standard deviations")] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Training images whose pixels are in the test split."""

    count: Annotated[Count, about("how many there are")] = 0
    train_indices: Annotated[list[Count], about("their indices")] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """manifest.json of the prepared dataset; its statistics are the training split's, but those in `test`."""

    classes: Annotated[list[str | int], about("their names")]
    shape: Annotated[list[Count], about("of an image: height, width, channels")] = field(default_factory=list)
    counts: Annotated[Counts, about("images of each split")] = field(default_factory=Counts)
    class_counts: Annotated[ClassCounts, about("images of each class")] = field(default_factory=ClassCounts)
    channel_mean: Annotated[list[float], about("means, 0 to 255")] = field(default_factory=list)
    channel_std: Annotated[list[float], about("standard deviations, 0 to 255")] = field(default_factory=list)
    test: Annotated[ChannelStatistics, about("the test split's statistics")] = field(default_factory=ChannelStatistics)
    hashes: Annotated[dict[str, str], about("SHA-256 of each file")] = field(default_factory=dict)
    source: Annotated[dict[str, object], about("what the dataset says of itself")] = field(default_factory=dict)
    duplicates: Annotated[Duplicates, about("training images that are in the test split")] = field(
        default_factory=Duplicates
    )
    seed: Annotated[int | None, about("of the calibration indices")] = None
    calibration_indices: Annotated[list[int] | None, about("of training images that calibration may take")] = None

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names."""
        return tuple(str(name) for name in self.classes)

    @property
    def dataset(self) -> str | None:
        """What the dataset calls itself."""
        named = self.source.get("dataset")
        return None if named is None else str(named)


def as_manifest(given: Manifest | Mapping[str, object]) -> Manifest:
    """A manifest as it is, or of the parsed file; keys that nobody asks for may be missing there."""
    return given if isinstance(given, Manifest) else checked(Manifest, given, "the manifest", False, batches=False)


def manifest_from(content: object, where: str) -> Manifest:
    """The content of manifest.json; raises DataError.

    A script may write one of a few keys; one that tells more, as prepare's does, has to tell all.
    """
    told = set(content) if isinstance(content, dict) else set()
    return checked(Manifest, content, where, complete=not told <= FEW, batches=False)


def stage_from(kind: type[T], name: str, content: object) -> T:
    """The content of NAME.json as a `kind`; what else stands there is left alone. Raises DataError."""
    if not content:
        raise DataError(f"{name}.json is empty", received=repr(content), expected=f"a {kind.__name__}", fix=REMEDY)
    return checked(kind, content, f"{name}.json", complete=False)
