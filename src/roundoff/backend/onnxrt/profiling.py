"""Times per layer by ONNX Runtime's own profile of a session."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from roundoff.backend.base import LayerTime, LayerTimer
from roundoff.backend.onnxrt.layers import MULTIPLIERS
from roundoff.dataset.base import Images
from roundoff.graph.costs import node_name
from roundoff.graph.covering import Covering, covering

TIMED = "_kernel_time"  # behind a node's name in the profile
RUN = "model_run"
RENAMED = re.compile(r"^InsertedPrecisionFreeCast_|_nchwc$|_token_\d+$|/\w+Fusion/.*$")
"""What the optimizer adds to the name of a node that it moves to another layout or type, or fuses others into."""
EIGHT_BITS = ("int8", "uint8")
TYPES = {"float": "float32", "double": "float64"}  # those that NumPy calls otherwise
SIZES = {"bool": 1, "bfloat16": 2, "float8e4m3fn": 1}


Opened = Callable[[Path, Path, Path], Any]


@dataclass(frozen=True)
class NodeTime:
    """One execution of a node: microseconds from the session's start, and element type and shape of each tensor."""

    name: str
    kind: str
    start: int
    duration: int
    reads: list[tuple[str, list[int]]]
    writes: list[tuple[str, list[int]]]

    @property
    def moved_bytes(self) -> int:
        """Bytes of what it reads and writes; weights that were packed for its kernel are left out."""
        return sum(_size(kind) * math.prod(shape) for kind, shape in (*self.reads, *self.writes))

    @property
    def computes_in(self) -> str | None:
        """The 8-bit type where it multiplies in one, else the type of what it reads first.

        Weights are not among what it reads once they are packed for its kernel; their zero points are.
        """
        kinds = [kind for kind, _ in self.reads]
        narrow = [kind for kind in EIGHT_BITS if kind in kinds and self.kind in MULTIPLIERS]
        kind = next(iter(narrow or kinds), None)
        return None if kind is None else TYPES.get(kind, kind)


class SessionTimer(LayerTimer):
    """A session that writes a profile.

    `opened` makes it of a graph's file, with a prefix for the profile's name and a file for the graph as it runs.
    `artifact` is the graph that is run, `source` the one that the cell was built from.
    """

    def __init__(self, opened: Opened, artifact: Path, source: Path, batches: Sequence[Images]) -> None:
        self._scratch = TemporaryDirectory(prefix="roundoff-profile-")
        folder = Path(self._scratch.name)
        self._running, self._source = folder / "running.onnx", source
        self._session = opened(_named(artifact, folder / "named.onnx"), folder / "profile", self._running)
        self._input, self._batches, self._runs = self._session.get_inputs()[0].name, batches, 0

    def run(self, runs: int) -> None:
        for _ in range(runs):
            self._session.run(None, {self._input: self._batches[self._runs % len(self._batches)]})
            self._runs += 1

    def layers(self) -> list[LayerTime]:
        path = Path(self._session.end_profiling())
        runs = times_of_nodes(json.loads(path.read_text(encoding="utf-8")))
        if len(runs) != self._runs:
            raise RuntimeError(f"ONNX Runtime's profile has {len(runs)} of {self._runs} runs: too many nodes to hold")
        return layer_times(runs, nodes_behind(self._source, self._running))

    def close(self) -> None:
        self._session = None
        self._scratch.cleanup()


def _named(path: Path, target: Path) -> Path:
    """The graph with a name for each of its nodes, which the profile calls by numbers of its own else."""
    import onnx

    model = onnx.load(path)
    nameless = [node for node in model.graph.node if not node.name]
    for node in nameless:
        node.name = node_name(node)
    if nameless:
        onnx.save(model, target)
    return target if nameless else path


def nodes_behind(source: Path, running: Path) -> Covering:
    """The nodes of the graph `source` that each node of it as it runs stands for."""
    import onnx

    before, now = (onnx.load(path, load_external_data=False).graph for path in (source, running))
    return covering(before, now, {node.name: RENAMED.sub("", node.name) for node in now.node})


def times_of_nodes(events: Sequence[Mapping[str, Any]]) -> list[list[NodeTime]]:
    """The nodes of each run; what runs inside a node, such as a loop's body, is in that node's time already."""
    runs = sorted((each["ts"], each["ts"] + each["dur"]) for each in events if each["name"] == RUN)
    nodes = sorted((_node_time(each) for each in events if _is_node(each)), key=lambda one: one.start)
    outer = list(_outermost(nodes))
    return [[one for one in outer if start <= one.start < end] for start, end in runs]


def _is_node(event: Mapping[str, Any]) -> bool:
    return event.get("cat") == "Node" and str(event["name"]).endswith(TIMED)


def _outermost(nodes: Sequence[NodeTime]) -> Iterator[NodeTime]:
    end = -1
    for node in nodes:
        if node.start >= end:
            yield node
            end = node.start + node.duration


def _node_time(event: Mapping[str, Any]) -> NodeTime:
    told = event["args"]
    return NodeTime(
        name=str(event["name"]).removesuffix(TIMED),
        kind=str(told.get("op_name", "")),
        start=int(event["ts"]),
        duration=int(event["dur"]),
        reads=[pair for each in told.get("input_type_shape", []) for pair in each.items()],
        writes=[pair for each in told.get("output_type_shape", []) for pair in each.items()],
    )


def layer_times(runs: Sequence[Sequence[NodeTime]], covers: Covering) -> list[LayerTime]:
    """A layer for each node of the first run, with its milliseconds in every run."""
    places = {node.name: place for place, node in enumerate(runs[0])}
    times = np.zeros((len(places), len(runs)))
    for number, nodes in enumerate(runs):
        for node in nodes:
            if node.name in places:
                times[places[node.name], number] += node.duration / 1e3
    first = {node.name: node for node in runs[0]}
    return [
        LayerTime(
            name=name,
            kind=node.kind,
            times_ms=times[places[name]],
            nodes=covers.get(name, ()),
            computes_in=node.computes_in,
            moved_bytes=node.moved_bytes,
        )
        for name, node in first.items()
    ]


def _size(kind: str) -> int:
    name = TYPES.get(kind, kind)
    if name in SIZES:
        return SIZES[name]
    try:
        return np.dtype(name).itemsize
    except TypeError:
        return 4
