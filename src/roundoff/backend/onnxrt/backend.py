"""ONNX Runtime on the CPU: an offline-optimised ONNX graph, loaded into a session with a fixed number of threads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from roundoff.backend.base import Backend, Binding, Lack, LayerTimer, Logits, Runner, Source
from roundoff.backend.cpu import HostBinding, check_threads, infer_in_chunks
from roundoff.backend.onnxrt.layers import conversions, layer_types, note
from roundoff.backend.onnxrt.probes import (
    convolution_error,
    in_its_own_words,
    not_implemented,
)
from roundoff.dataset.base import Images
from roundoff.errors import BuildError, Unavailable
from roundoff.graph.sessions import PROVIDERS, with_exact_products
from roundoff.precision.base import Grid, Precision
from roundoff.results.build import BuildInfo, LayerTypes
from roundoff.results.cell import BindingInfo
from roundoff.results.message import Message, message, verbatim
from roundoff.system.machine import usable_cores, vector_instructions

SOURCE = "graph.onnx"  # in a cell's folder, what it was built from
MOVES_PAIRS = "QDQPropagationTransformer"
# Beyond the first a file holds the layouts of the CPU it was made on; loading applies those in milliseconds. The others
# are for graphs that the optimizer breaks.
LEVELS = ("ORT_ENABLE_EXTENDED", "ORT_ENABLE_BASIC", "ORT_DISABLE_ALL")


@dataclass(frozen=True)
class OnnxRuntime(Backend):
    """ONNX Runtime's CPU provider.

    `threads` is None for one per core that the process may use. With `spin_between_runs` the worker threads keep a
    core busy while they wait for the next run: small batches get faster, whatever else runs there gets slower.
    """

    artifact: ClassVar[str] = "model.onnx"
    # Either package is the same module; where one is, the other is not.
    bound_to: ClassVar[tuple[str, ...]] = ("libraries.onnxruntime", "libraries.onnxruntime-gpu")
    strict_fp32: ClassVar[bool] = True
    # Its int8 kernels fold a ReLU into an asymmetric grid only: 1.4 times FP32's speed, against 0.5 for symmetric int8.
    grid: ClassVar[Grid] = Grid(activation="uint8", symmetric=False)

    threads: int | None = None
    spin_between_runs: bool = False

    def __post_init__(self) -> None:
        check_threads(self.threads)

    def lack(self) -> Lack | None:
        return None if find_spec("onnxruntime") else Lack("onnxruntime is not installed", "pip install onnxruntime")

    def refusal(self, precision: Precision) -> Message | None:
        if precision.allows_tf32:
            return message("tf32_on_gpus_only")
        if precision.activations == "int16":
            return message("no_int16", library="ONNX Runtime")
        words = convolution_error(precision.activations)
        return verbatim(words) if words else None

    def build(self, source: Source, directory: Path) -> BuildInfo:
        import onnx

        path = directory / self.artifact
        try:
            with _without_rounded_pixels(source) as ready:
                level = self._optimize(ready, path)
        except not_implemented() as error:
            raise Unavailable(in_its_own_words(error)) from error
        except Exception as error:
            raise BuildError(
                f"ONNX Runtime cannot build the {source.name} graph",
                received=f"{source.graph}: {in_its_own_words(error)}",
                expected="an ONNX graph that its CPU provider loads",
                fix="see the node that the message names; other runtimes may still take the graph",
            ) from error
        optimized = onnx.load(path)
        types, converted = layer_types(optimized), conversions(optimized)
        remarks = [note(source.precision, types, converted), None if level == LEVELS[0] else message("less_optimized")]
        return BuildInfo(layer_types=types, conversions=converted, notes=[each for each in remarks if each])

    def _optimize(self, source: Source, path: Path) -> str:
        """Write the optimized graph; the highest level at which ONNX Runtime loads what its optimizer made of it."""
        refused: list[Exception] = []
        for level in LEVELS:
            try:
                _session(source.graph, self._options(), level, _unsafe_optimizers(source.precision), path)
                self._loaded(path)  # where more is optimized, which may be refused as well
                return level
            except not_implemented():
                raise
            except Exception as error:
                refused.append(error)
        raise refused[0]

    def _loaded(self, path: Path) -> Any:
        """A session of what `_optimize` wrote: pairs were moved then, where that was safe."""
        return _session(path, self._options(), "ORT_ENABLE_ALL", [MOVES_PAIRS])

    def load(self, directory: Path) -> Runner:
        session = self._loaded(directory / self.artifact)
        return OnnxRuntimeRunner(session, self.threads or usable_cores())

    def layer_times(self, directory: Path, batches: Sequence[Images]) -> LayerTimer:
        """By the profile that ONNX Runtime writes of a session with the same options."""
        from roundoff.backend.onnxrt.profiling import SessionTimer

        def opened(path: Path, profile: Path, running: Path) -> Any:
            options = self._options()
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
            return _session(path, options, "ORT_ENABLE_ALL", [MOVES_PAIRS], running)

        return SessionTimer(opened, directory / self.artifact, directory / SOURCE, batches)

    def _options(self) -> Any:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads or usable_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if not self.spin_between_runs:
            options.add_session_config_entry("session.force_spinning_stop", "1")
        with_exact_products(options)
        return options


@contextmanager
def _without_rounded_pixels(source: Source) -> Iterator[Source]:
    """The source, its graph one that reads the pixels as they are where that can be; a given one stays as it is."""
    import onnx

    from roundoff.backend.onnxrt.pixels import with_pixels_as_codes

    rounds = source.given is None and source.precision.activations == "int8"
    changed = with_pixels_as_codes(onnx.load(source.graph)) if rounds else None
    if changed is None:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="roundoff-pixels-") as folder:
        graph = Path(folder) / source.graph.name
        onnx.save(changed, graph)
        yield replace(source, graph=graph)


def _session(path: Path, options: Any, level: str, disabled: Sequence[str], optimized: Path | None = None) -> Any:
    import onnxruntime as ort

    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return ort.InferenceSession(str(path), options, providers=PROVIDERS, disabled_optimizers=list(disabled))


def _unsafe_optimizers(precision: Precision) -> list[str]:
    """ONNX Runtime's names of what makes a wrong or invalid graph of this precision."""
    unsafe = []
    if precision.remainder == "float16":
        # It holds a float16 bias in int32 steps by way of float16, where a large one becomes infinite.
        unsafe.append("WeightBiasQuantization")
    if "float8" in precision.activations:
        # It moves pairs across a MaxPool, which takes no float8: the graph is then refused.
        unsafe.append(MOVES_PAIRS)
    return unsafe


class OnnxRuntimeRunner(Runner):
    """A session on the CPU."""

    device = "cpu"

    def __init__(self, session: Any, threads: int) -> None:
        self._session, self._threads = session, threads
        self._input, self._output = session.get_inputs()[0].name, session.get_outputs()[0].name
        self._classes = int(session.get_outputs()[0].shape[-1])

    def infer(self, images: Images) -> Logits:
        return infer_in_chunks(images, self._classes, self._run)

    def bind(self, batches: Sequence[Images]) -> Binding:
        return OnnxRuntimeBinding(self._session, batches, self._classes, self._threads)

    def layer_types(self) -> LayerTypes:
        """The kernels are chosen as the engine is loaded, by the CPU's instructions."""
        return LayerTypes(cpu_instructions=vector_instructions() or None)

    def close(self) -> None:
        self._session = None

    def _run(self, images: Images) -> Logits:
        logits: Logits = self._session.run([self._output], {self._input: images})[0]
        return logits


class OnnxRuntimeBinding(HostBinding):
    """Inputs and outputs bound once, each input with its own output buffer."""

    def __init__(self, session: Any, batches: Sequence[Images], classes: int, threads: int) -> None:
        super().__init__(batches)
        self._session, self._threads = session, threads
        self._input, self._output = session.get_inputs()[0].name, session.get_outputs()[0].name
        self._logits = [np.full((self.batch_size, classes), np.nan, np.float32) for _ in self.batches]
        self._bindings = [self._bound(*pair) for pair in zip(self.batches, self._logits, strict=True)]

    def lay_in(self, index: int) -> None:
        pass

    def compute(self, index: int) -> None:
        self._session.run_with_iobinding(self._bindings[index])

    def answer(self, index: int) -> Logits:
        return self._logits[index].copy()

    def round_trip(self, index: int) -> Logits:
        logits: Logits = self._session.run([self._output], {self._input: self.batches[index]})[0]
        return logits

    def poison(self) -> None:
        for logits in self._logits:
            logits.fill(np.nan)

    def info(self) -> BindingInfo:
        return BindingInfo(threads=self._threads)

    def close(self) -> None:
        self._session, self._bindings = None, []

    def _bound(self, images: Images, logits: Logits) -> Any:
        binding = self._session.io_binding()
        binding.bind_input(self._input, "cpu", 0, np.uint8, images.shape, images.ctypes.data)
        binding.bind_output(self._output, "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        return binding
