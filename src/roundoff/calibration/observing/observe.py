"""Run images through a model once and see its activations, chunk by chunk.

ONNX Runtime does not promise an image the same floats in every batch size (ResNet-8's and MobileNetV2's were equal in
1.32). So images always run in chunks of a size that depends on the model alone, whatever batches they came in; the last
is filled up and the filling dropped.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.calibration.observing.histogram import Histogram
from roundoff.dataset.base import Images
from roundoff.errors import CalibrationError
from roundoff.graph.queries import bytes_per_image, convolution_inputs, image_input, with_outputs
from roundoff.graph.sessions import session_options
from roundoff.system.progress import progress_bar

CHUNK_BYTES = 8_000_000
"""Activations of one chunk; two chunks are in flight."""
LARGEST_CHUNK = 32
SAMPLES = 2048
"""Values counted per image and tensor, at least; larger tensors are counted at a stride."""

MEAN_IMAGES = 512
"""Images whose channel means are taken, at least, where there are as many: a mean needs fewer than a threshold."""

Activations = dict[str, NDArray[np.float32]]


def histograms(
    model: onnx.ModelProto, names: Sequence[str], batches: Iterable[Images], required: Collection[str] | None = None
) -> dict[str, Histogram]:
    """A histogram of each of the float32 tensors `names` over all images, uint8 [n, H, W, C] in batches of any size.

    What a Conv takes has the channels' means too. Left out are tensors that are not `required` (None: all are) and are
    not finite, or do not keep the images apart; a required one of that kind raises CalibrationError.
    """
    counted = {name: Histogram() for name in names}
    convolved = convolution_inputs(model)
    for chunk in observe(model, names, batches, required):
        for name in counted.keys() - chunk.keys():
            del counted[name]
        for name in [name for name in chunk if name in counted]:
            values = chunk[name]
            if not add_counted(counted[name], name, values, required):
                del counted[name]
            elif name in convolved and counted[name].images < MEAN_IMAGES:
                counted[name].add_channels(values)
    return counted


@contextmanager
def runtime_in_words() -> Iterator[None]:
    """What ONNX Runtime refuses as a CalibrationError."""
    try:
        yield
    except Exception as error:  # ONNX Runtime raises classes of its own, one for each of its codes
        lines = str(error).strip().splitlines() or ["no message"]
        raise CalibrationError(
            "ONNX Runtime cannot run the graph on the calibration images",
            received=f"{type(error).__name__}: {lines[0][:300]}",
            expected="a graph as the export stage writes it, which has run there",
            fix="run export again (`dvc repro -f export`); or see the node that the message names",
        ) from error


def observe(
    model: onnx.ModelProto, names: Sequence[str], batches: Iterable[Images], required: Collection[str] | None = None
) -> Iterator[Activations]:
    """Yield the tensors `names`, float32 [chunk, …], a chunk of images at a time; the next is computed meanwhile.

    Tensors that do not keep the images apart are left out where they are not `required` (None: all are).
    """
    import onnxruntime

    image = image_input(model)
    serialized = with_outputs(model, names).SerializeToString()
    with runtime_in_words():
        session = onnxruntime.InferenceSession(serialized, session_options(), providers=["CPUExecutionProvider"])

    def run(chunk: Images) -> Activations:
        size = len(chunk)
        with runtime_in_words():
            outputs = session.run(list(names), {image.name: filled(chunk, chunk_size)})
        given = dict(zip(names, outputs, strict=True))
        apart = {name: _keeps_apart(name, values, chunk_size, required) for name, values in given.items()}
        return {name: _rows(values, size, chunk_size) for name, values in given.items() if apart[name]}

    chunk_size = chunk_size_for(model, names)
    with ThreadPoolExecutor(1) as ahead, progress_bar("calibrate", None) as bar:
        pending: Future[Activations] | None = None
        for chunk in chunks(batches, chunk_size):
            following = ahead.submit(run, chunk)
            if pending is not None:
                yield pending.result()
                bar.advance(chunk_size)
            pending = following
        if pending is not None:
            yield pending.result()


def chunks(batches: Iterable[Images], size: int) -> Iterator[Images]:
    """Cut a stream of batches anew into chunks of `size` images; only the last may be smaller."""
    held: list[Images] = []
    count = 0
    for batch in batches:
        start = 0
        while start < len(batch):
            part = batch[start : start + size - count]
            held.append(part)
            count, start = count + len(part), start + len(part)
            if count == size:
                yield np.concatenate(held)
                held, count = [], 0
    if held:
        yield np.concatenate(held)


@cache
def stride_for(shape: tuple[int, ...]) -> int:
    """The sampling stride for an image's tensor of this shape.

    Images are many and neighbouring values alike: a few thousand per image place a threshold as well as all of them,
    provided that every channel, row and column has its turn. So the stride reaches all of each within one image, and
    has no factor in common with the number of values: images that follow one another are counted at other positions.
    """
    values = math.prod(shape)
    stride = max((values // SAMPLES - 1) | 1, 1)
    while stride > 1 and not (math.gcd(stride, values) == 1 and _reaches_all(shape, stride)):
        stride -= 2
    return stride


def not_finite(name: str, received: str) -> CalibrationError:
    """The error for an activation with NaN or infinity."""
    return CalibrationError(
        f"tensor {name} is not finite",
        received=received,
        expected="finite activations on every training image",
        fix="check the trained weights and the preprocessing: the FP32 model itself overflows",
    )


def in_batches(images: Images, indices: NDArray[np.int64], size: int) -> Iterator[Images]:
    """Images uint8 [n, H, W, C] at `indices`, at most `size` of them in memory at once."""
    for start in range(0, len(indices), size):
        yield np.ascontiguousarray(images[indices[start : start + size]])


def _reaches_all(shape: tuple[int, ...], stride: int) -> bool:
    positions = np.unravel_index(np.arange(0, math.prod(shape), stride), shape)
    return all(np.bincount(places, minlength=size).all() for places, size in zip(positions, shape, strict=True))


def chunk_size_for(model: onnx.ModelProto, names: Sequence[str]) -> int:
    """How many images `observe` runs at once: it depends on the model and the tensors alone."""
    fixed = image_input(model).type.tensor_type.shape.dim[0].dim_value
    return fixed or int(np.clip(CHUNK_BYTES // max(bytes_per_image(model, names), 1), 1, LARGEST_CHUNK))


def filled(chunk: Images, size: int) -> Images:
    """The chunk with its last image repeated up to `size` of them."""
    return chunk if len(chunk) == size else np.concatenate([chunk, np.repeat(chunk[-1:], size - len(chunk), axis=0)])


def _keeps_apart(name: str, values: NDArray[np.float32], size: int, required: Collection[str] | None) -> bool:
    """Whether the first dimension is made of images; raises CalibrationError if it has to be and is not."""
    if values.ndim and len(values) and not len(values) % size:
        return True
    if required is None or name in required:
        raise CalibrationError(
            f"tensor {name} does not keep the images apart",
            received=f"shape {list(values.shape)} for {size} images",
            expected=f"a first dimension that is a multiple of {size}",
            fix="export the model with the batch as the first dimension of every activation",
        )
    return False


def _rows(values: NDArray[np.float32], count: int, size: int) -> NDArray[np.float32]:
    """What belongs to the first `count` of `size` images."""
    return values[: len(values) // size * count]


def add_counted(histogram: Histogram, name: str, values: NDArray[np.float32], required: Collection[str] | None) -> bool:
    """Count the values; whether all are finite. Raises CalibrationError where they have to be and are not."""
    try:
        histogram.add(values, stride_for(values.shape[1:]))
    except ValueError as error:
        if required is None or name in required:
            raise not_finite(name, str(error)) from error
        return False
    return True
