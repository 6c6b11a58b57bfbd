"""LiteRT (TensorFlow Lite) on the CPU: built from export's float model, or given; TensorFlow is not needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from roundoff.backend.base import Backend, Binding, LayerTimer, Logits, Runner, Source
from roundoff.backend.cpu import HostBinding, check_threads, infer_in_chunks
from roundoff.backend.tflite.observing import MULTIPLIERS
from roundoff.backend.tflite.quantizer import require_quantizer
from roundoff.dataset.base import Images
from roundoff.errors import BuildError, Unavailable
from roundoff.precision.base import Grid, Precision
from roundoff.precision.given import Given
from roundoff.results.build import BuildInfo, LayerTypes
from roundoff.results.cell import BindingInfo
from roundoff.results.message import Message, as_message, message
from roundoff.system.machine import usable_cores, vector_instructions

CONVERTED = {
    ("float32", "float32"): "float32",
    ("float16", "float16"): "float16",
    ("int8", "int8"): "int8",
    ("int8", "int16"): "int8 with int16 activations",
}
HEEDED = ("first_layer", "last_layer", "residual", "exclude_nodes", "exclude_types", "bias_correction")


@dataclass(frozen=True)
class LiteRT(Backend):
    """LiteRT's interpreter with XNNPACK; `threads` is None for one per core that the process may use."""

    artifact: ClassVar[str] = "model.tflite"
    libraries: ClassVar[tuple[str, ...]] = ("ai-edge-litert", "ai-edge-quantizer")
    grid: ClassVar[Grid] = Grid(symmetric=False)
    takes_onnx: ClassVar[bool] = False
    takes_tflite: ClassVar[bool] = True

    threads: int | None = None

    def __post_init__(self) -> None:
        check_threads(self.threads)

    def refusal(self, precision: Precision) -> Message | None:
        """For what it quantizes this imports ai-edge-quantizer, so that `build` is timed without the import."""
        if isinstance(precision, Given):
            return None
        types = precision.weights, precision.activations
        if types not in CONVERTED or precision.remainder != "float32":
            kinds = {name: getattr(precision, name) for name in ("weights", "activations", "remainder")}
            return message("not_converted", converted=list(CONVERTED.values()), **kinds)
        try:
            if precision.weights != "float32":
                require_quantizer()
        except Unavailable as reason:
            return as_message(reason.args[0])
        return None

    def build(self, source: Source, directory: Path) -> BuildInfo:
        from roundoff.backend.tflite.lowering import lowered

        path = directory / self.artifact
        if source.given:
            path.write_bytes(source.given.read_bytes())
            return BuildInfo(layer_types=layer_types(path))
        content, notes = lowered(source, self.threads or usable_cores())
        path.write_bytes(content)
        idle = ignored(source.precision)
        return BuildInfo(layer_types=layer_types(path), notes=[*notes, *([idle] if idle else [])])

    def load(self, directory: Path) -> Runner:
        return LiteRTRunner(directory / self.artifact, self.threads or usable_cores())

    def layer_times(self, directory: Path, batches: Sequence[Images]) -> LayerTimer:
        """By cut-off copies of the model: its interpreter tells no times."""
        from roundoff.backend.tflite.prefixes import PrefixTimer

        return PrefixTimer(directory / self.artifact, self.threads or usable_cores(), batches)


def ignored(precision: Precision) -> Message | None:
    """What was set of the precision and makes no difference here; None where nothing was."""
    default: Any = type(precision)()
    pairs = [(f.name, getattr(precision, f.name), getattr(default, f.name)) for f in fields(default)]
    # a list from YAML may stand for a tuple
    others = [each for each in pairs if each[0] not in HEEDED]
    changed = [name for name, a, b in others if (list(a) != list(b) if isinstance(b, list | tuple) else a != b)]
    return message("without_effect", settings=changed) if changed else None


class LiteRTRunner(Runner):
    """A model file; every batch size that runs gets an interpreter of its own."""

    device = "cpu"

    def __init__(self, path: Path, threads: int) -> None:
        self._path, self._threads = path, threads
        self._sized: Sized | None = open_sized(path, threads, 1)
        self._classes = self._sized.classes

    def infer(self, images: Images) -> Logits:
        return infer_in_chunks(images, self._classes, self._run)

    def bind(self, batches: Sequence[Images]) -> Binding:
        return LiteRTBinding(self._path, self._threads, batches)

    def layer_types(self) -> LayerTypes:
        """The kernels are chosen as the engine is loaded, by the CPU's instructions."""
        return LayerTypes(cpu_instructions=vector_instructions() or None)

    def close(self) -> None:
        self._sized = None

    def _run(self, images: Images) -> Logits:
        if self._sized is None or self._sized.batch_size != len(images):
            self._sized = open_sized(self._path, self._threads, len(images))
        return self._sized.round_trip(images)


class LiteRTBinding(HostBinding):
    """An interpreter of one batch size; an input is copied into it before each run."""

    def __init__(self, path: Path, threads: int, batches: Sequence[Images]) -> None:
        super().__init__(batches)
        self._threads = threads
        self._sized: Sized | None = open_sized(path, threads, self.batch_size)

    @property
    def sized(self) -> Sized:
        if self._sized is None:
            raise RuntimeError("this binding is closed")
        return self._sized

    def lay_in(self, index: int) -> None:
        self.sized.put(self.batches[index])

    def compute(self, index: int) -> None:
        self.sized.interpreter.invoke()

    def answer(self, index: int) -> Logits:
        return self.sized.get()

    def round_trip(self, index: int) -> Logits:
        return self.sized.round_trip(self.batches[index])

    def poison(self) -> None:
        self.sized.output_view().fill(np.nan)

    def info(self) -> BindingInfo:
        return BindingInfo(threads=self._threads)

    def close(self) -> None:
        self._sized = None


@dataclass(frozen=True)
class Sized:
    """An interpreter with tensors allocated for one batch size."""

    interpreter: Any
    batch_size: int
    classes: int
    input: int
    output: int

    def put(self, images: Images) -> None:
        self.interpreter.set_tensor(self.input, images)

    def get(self) -> Logits:
        logits: Logits = self.interpreter.get_tensor(self.output)
        return logits

    def output_view(self) -> Logits:
        """The interpreter's own output memory; not to be kept, since a kept view blocks the next run."""
        view: Logits = self.interpreter.tensor(self.output)()
        return view

    def round_trip(self, images: Images) -> Logits:
        self.put(images)
        self.interpreter.invoke()
        return self.get()


def open_sized(path: Path, threads: int, batch_size: int) -> Sized:
    """An interpreter of `path` at a batch size; raises Unavailable without LiteRT, BuildError if the batch is fixed."""
    interpreter = open_interpreter(path, threads)
    image, logits = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(image["index"], [batch_size, *image["shape"][1:]])
    interpreter.allocate_tensors()
    if not _has_memory(interpreter, logits["index"]):
        interpreter.invoke()  # where a Flatten or Reshape computes its shape, the output has one after a run
    rows, classes = interpreter.get_output_details()[0]["shape"]
    if (rows, image["dtype"], logits["dtype"]) != (batch_size, np.uint8, np.float32):
        raise BuildError(
            f"{path} does not take uint8 images in batches of {batch_size}",
            received=f"{image['dtype'].__name__} in, {rows} × {classes} {logits['dtype'].__name__} out",
            expected=f"uint8 in, {batch_size} × {classes} float32 out",
            fix="leave the batch dimension of the model open, its input uint8 and its last layer float32",
        )
    return Sized(interpreter, batch_size, int(classes), image["index"], logits["index"])


def _has_memory(interpreter: Any, tensor: int) -> bool:
    try:
        interpreter.tensor(tensor)()
    except ValueError:
        return False
    return True


def open_interpreter(path: Path, threads: int) -> Any:
    """LiteRT's interpreter of a model file; raises Unavailable where LiteRT is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise Unavailable(message("no_litert", words=str(error))) from error
    return Interpreter(model_path=str(path), num_threads=threads)


def layer_types(path: Path) -> dict[str, int]:
    """How many convolutions and matrix products of a model file multiply in which type."""
    interpreter = open_interpreter(path, 1)
    types = {tensor["index"]: np.dtype(tensor["dtype"]).name for tensor in interpreter.get_tensor_details()}
    layers = [op for op in interpreter._get_ops_details() if op["op_name"] in MULTIPLIERS]
    return dict(Counter(_multiplied(op, types) for op in layers))


def _multiplied(operator: Any, types: dict[int, str]) -> str:
    """The type of the weights, but where activations are wider integers than these."""
    activation = types[operator["inputs"][2 if operator["op_name"] == "TRANSPOSE_CONV" else 0]]
    return activation if activation == "int16" else types[operator["inputs"][1]]
