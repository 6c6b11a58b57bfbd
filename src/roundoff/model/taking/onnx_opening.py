"""From an ONNX file to a graph that fits the dataset, its preprocessing still open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from roundoff.errors import DataError
from roundoff.model.base import SavedOnnx, TakenModel
from roundoff.model.taking.classes import class_names, columns
from roundoff.model.taking.fitting import chosen_output
from roundoff.model.taking.onnx_batch import TOLERANCE, open_batch
from roundoff.model.taking.onnx_interface import ImageInput, before_softmax, image_input
from roundoff.model.taking.onnx_reading import opset_of, read
from roundoff.model.taking.onnx_running import session
from roundoff.model.taking.onnx_wrapping import Wrapping, make_room
from roundoff.model.taking.preprocessing import Preprocessing
from roundoff.model.taking.settings import setting


@dataclass(frozen=True)
class Network:
    """A graph with an open batch, its input and the tensor that holds its answers; what is known of both."""

    model: onnx.ModelProto
    image: ImageInput
    shape: tuple[int, int, int]
    output: str
    output_shape: tuple[int, ...]
    columns: tuple[int, ...]
    head_removed: str | None

    def saved(self, file: str) -> SavedOnnx:
        """What is told of the graph once it is written to `file`."""
        layout = "nchw" if self.image.planes else "nhwc"
        opset = opset_of(self.model)
        return SavedOnnx(form="onnx", file=file, opset=opset, head_removed=self.head_removed, layout=layout)

    def wrapped(self, preprocessing: Preprocessing) -> onnx.ModelProto:
        """The graph from `image` uint8 [N, H, W, C] to `logits` float32 [N, classes]."""
        whole = onnx.ModelProto()
        whole.CopyFrom(self.model)
        wrapping = Wrapping(whole)
        wrapping.put_in_front(preprocessing, self.shape, self.image.planes, self.image.uint8)
        single = self.output_shape[1:] == (1,) * (len(self.output_shape) - 1)
        answers = 2 if single else int(np.prod(self.output_shape[1:]))
        permuted = None if self.columns == tuple(range(answers)) else self.columns
        wrapping.put_behind(self.output, len(self.output_shape) == 2, single, permuted)
        wrapping.finish(len(self.columns))
        return whole


def opened(source: TakenModel, layout: str | None, shape: tuple[int, int, int], classes: Sequence[str]) -> Network:
    """The graph at `source.path`, fit for images [*shape] of `classes`; see `TakenModel.open` for what it raises.

    `layout` says where its channels are, nchw or nhwc; None finds out.
    """
    return fitted(source, layout, read(Path(source.path)), shape, classes)


def fitted(
    source: TakenModel,
    layout: str | None,
    model: onnx.ModelProto,
    shape: tuple[int, int, int],
    classes: Sequence[str],
    tolerance: float = TOLERANCE,
) -> Network:
    """As `opened`, of the `model` that `source.path` holds; an image may answer otherwise in a batch by `tolerance`."""
    path = Path(source.path)
    image = image_input(path, model, shape, layout)
    output, removed = before_softmax(
        model, chosen_output(path, [str(value.name) for value in model.graph.output], source.output)
    )
    source.preprocessing.require_fit(shape[2], image.uint8)
    _answer_by(model, output)
    model = open_batch(path, model, _sample(image, shape), tolerance)
    answered = _output_shape(path, model, _sample(image, shape))
    count = int(np.prod(answered[1:]))
    output = make_room(model.graph, output)
    chosen = columns(2 if count == 1 else count, classes, class_names(source.classes))
    return Network(model, image, shape, output, answered, chosen, removed)


def _answer_by(model: onnx.ModelProto, output: str) -> None:
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=output))


def _sample(image: ImageInput, shape: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    """Two images of noise as the graph takes them."""
    sizes = (2, shape[2], *shape[:2]) if image.planes else (2, *shape)
    pixels = np.random.default_rng(0).integers(0, 256, sizes, dtype=np.uint8)
    return pixels if image.uint8 else pixels.astype(np.float32) / 255


def _output_shape(path: Path, model: onnx.ModelProto, sample: np.ndarray[Any, Any]) -> tuple[int, ...]:
    # as written: what ONNX Runtime makes of pairs may not run, which is for the cell to say
    answer = session(model, as_written=True).run(None, {model.graph.input[0].name: sample})[0]
    sizes = tuple(answer.shape)
    if answer.dtype == np.float32 and len(sizes) >= 2 and sizes[0] == 2 and max(sizes[1:]) == np.prod(sizes[1:]):
        return sizes
    raise DataError(
        f"{path} does not answer with a number for each class",
        received=f"{answer.dtype} {list(sizes)} for two images",
        expected="float32 [2, classes]",
        fix="give the classifier's own output: by "
        f"{setting('output')}=NAME where there are several, else by another export",
    )
