"""How far each version's logits are from the graph's own, image by image, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.calibration.observing.observe import filled
from roundoff.dataset.base import Images
from roundoff.errors import RoundoffError
from roundoff.graph.queries import image_input
from roundoff.graph.sessions import session_options
from roundoff.sensitivity.variants import Reads, rewired, with_versions
from roundoff.system.machine import usable_cores
from roundoff.system.progress import track

BATCH = 32
"""Images of one run: what a graph holds at once does not grow with their number."""
AT_ONCE = 64
"""Versions in one graph: what they share is computed once for so many."""

LOST = 1e4
"""What an image whose logits are not finite errs by, as a multiple of FP32's own squares."""

Squares = NDArray[np.float64]
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Differences:
    """Of each image and version: what the logits err by, squared and summed, [n, versions]; FP32's own squares [n].

    `same` tells whether the largest logit is that of FP32, [n, versions].
    """

    squares: Squares
    scale: Squares
    same: NDArray[np.bool_]

    @property
    def errors(self) -> Squares:
        """‖logits − FP32's‖ ÷ ‖FP32's‖ over all images, [versions]."""
        return np.asarray(np.sqrt(self.squares.sum(axis=0) / self.scale.sum()))

    @property
    def agreement(self) -> Squares:
        """Share of the images with FP32's answer, [versions]."""
        return np.asarray(self.same.mean(axis=0))

    def of(self, versions: Sequence[int]) -> Differences:
        """Those versions alone."""
        return Differences(self.squares[:, versions], self.scale, self.same[:, versions])


def differences(
    model: onnx.ModelProto,
    base: Reads,
    versions: Sequence[Reads],
    images: Images,
    told: str = "sensitivity",
    lost: bool = False,
) -> Differences:
    """Of each version from the model itself, on images uint8 [n, H, W, C].

    A version is the model with what `base` reads, and on top of it what the version reads. Logits that are not finite
    count as `LOST` where that can be, else RoundoffError is raised.
    """
    groups = [versions[start : start + AT_ONCE] for start in range(0, len(versions), AT_ONCE)]
    exact = _logits(model, images)
    found = [_group(model, base, group, images, exact, told) for group in groups]
    squares, same = (np.concatenate([each[part] for each in found], axis=1) for part in (0, 1))
    finite, scale = np.isfinite(squares), _squares(exact)
    if not lost and not finite.all():
        raise _not_finite(int((~finite).any(axis=0).argmax()), len(versions))
    return _counted(squares, scale, same)


@dataclass(frozen=True)
class Reference:
    """FP32's logits on images uint8 [n, H, W, C], which other graphs are held against.

    With `kernels` those run in ONNX Runtime's 8-bit kernels, else in floats, as they stand.
    """

    model: onnx.ModelProto
    images: Images
    kernels: bool = True

    @cached_property
    def exact(self) -> Logits:
        """Logits [n, classes]."""
        return _logits(self.model, self.images)

    def differences(self, *others: onnx.ModelProto) -> Differences:
        """Of those graphs from FP32."""
        every, scale = [_logits(other, self.images, self.kernels) for other in others], _squares(self.exact)
        squares = np.stack([_squares(logits - self.exact) for logits in every], axis=1)
        same = np.stack([logits.argmax(1) == self.exact.argmax(1) for logits in every], axis=1)
        return _counted(squares, scale, same)


def _counted(squares: Squares, scale: Squares, same: NDArray[np.bool_]) -> Differences:
    """Squares that are not finite are those of an image whose answer is lost."""
    finite = np.isfinite(squares)
    return Differences(np.where(finite, squares, LOST * scale[:, None]), scale, same & finite)


def _not_finite(version: int, count: int) -> RoundoffError:
    return RoundoffError(
        "the logits of a version of this network are not finite",
        received=f"version {version} of {count}",
        expected="finite logits on every image",
        fix="check the ranges in metrics/noise.csv, or set sensitivity=off",
    )


def _group(
    model: onnx.ModelProto, base: Reads, versions: Sequence[Reads], images: Images, exact: Logits, told: str
) -> tuple[Squares, NDArray[np.bool_]]:
    graph = with_versions(rewired(model, base), versions)
    names = [value.name for value in graph.graph.output][1:]
    squares = np.empty((len(images), len(names)))
    same = np.empty((len(images), len(names)), dtype=np.bool_)
    answers, start = exact.argmax(1), 0
    for found in track(_outputs(graph, names, images), told, -(-len(images) // _batch(graph))):
        stop = start + len(found[0])
        for number, logits in enumerate(found):
            squares[start:stop, number] = _squares(logits - exact[start:stop])
            same[start:stop, number] = logits.argmax(1) == answers[start:stop]
        start = stop
    return squares, same


def _squares(values: NDArray[np.floating]) -> Squares:
    return np.asarray(np.square(values, dtype=np.float64).sum(axis=1))


def _logits(model: onnx.ModelProto, images: Images, pairs_fused: bool = False) -> Logits:
    outputs = _outputs(model, [model.graph.output[0].name], images, pairs_fused)
    return np.concatenate([each[0] for each in outputs])


def _outputs(
    model: onnx.ModelProto, names: Sequence[str], images: Images, pairs_fused: bool = False
) -> Iterator[list[Logits]]:
    """The outputs `names`, each [batch, classes], a batch at a time."""
    session, size, image = _session(model, pairs_fused), _batch(model), image_input(model).name
    for start in range(0, len(images), size):
        batch = np.ascontiguousarray(images[start : start + size])
        yield [logits[: len(batch)] for logits in session.run(list(names), {image: filled(batch, size)})]


def _batch(model: onnx.ModelProto) -> int:
    return int(image_input(model).type.tensor_type.shape.dim[0].dim_value) or BATCH


def _session(model: onnx.ModelProto, pairs_fused: bool) -> Any:
    """Without `pairs_fused` what stands in the graph is computed in floats, as it stands."""
    import onnxruntime as ort

    options = session_options()
    options.intra_op_num_threads = usable_cores()
    options.add_session_config_entry("session.disable_quant_qdq", "0" if pairs_fused else "1")
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
