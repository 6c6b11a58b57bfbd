"""Times per layer by TensorRT's profiler."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.backend.base import LayerTime, LayerTimer, Runner
from roundoff.backend.cuda import Owner
from roundoff.backend.gpu import RUNNING
from roundoff.backend.io_buffers import IoBuffers
from roundoff.backend.trt.context import Context
from roundoff.backend.trt.inspect import PROFILE, Layer

FUSED = re.compile(r" \+ | \|\| ")
"""How TensorRT joins the names of nodes in that of a layer, where it gives no metadata."""


@dataclass(frozen=True)
class Named:
    """A layer of the engine, and the nodes of the graph behind it in their order."""

    layer: Layer
    nodes: tuple[str, ...]


def named_layers(layers: Sequence[Layer], graph: Path) -> dict[str, Named]:
    """The layers by the names that the profiler calls them by; nodes that `graph` does not have are left out."""
    import onnx

    from roundoff.graph.costs import node_name

    nodes = onnx.load(graph, load_external_data=False).graph.node if graph.exists() else []
    order = {node_name(node): place for place, node in enumerate(nodes)}
    named = {}
    for layer in layers:
        behind = {part for name in layer.nodes for part in (name, *FUSED.split(name))} & order.keys()
        named[_plain(layer.name)] = Named(layer, tuple(sorted(behind, key=order.__getitem__)))
    return named


class EngineTimer(LayerTimer):
    """A context with a profiler; runs are enqueued and waited for one by one. It closes `runner`, whose engine it runs.

    `owner` has what else it took.
    """

    def __init__(
        self, runner: Runner, owner: Owner, context: Context, lanes: Sequence[IoBuffers], named: dict[str, Named]
    ) -> None:
        self._runner = runner
        self._owner: Owner | None = owner
        self._context, self._lanes, self._named = context, lanes, named
        lanes[0].enqueue_compute()  # what TensorRT defers to the first run is not to be timed
        context.stream.synchronize()
        self._profiler = make_profiler(context.engine.trt)
        context.context.enqueue_emits_profile = False
        context.context.profiler = self._profiler

    def run(self, runs: int) -> None:
        with RUNNING:
            for _ in range(runs):
                self._profiler.runs.append({})
                self._lanes[len(self._profiler.runs) % len(self._lanes)].enqueue_compute()
                self._context.stream.synchronize()
                self._report()

    def _report(self) -> None:
        if not self._context.context.report_to_profiler():
            raise RuntimeError(f"TensorRT: report_to_profiler failed: {self._context.engine.log.reason()}")
        if self._profiler.raised is not None:
            raise self._profiler.raised

    def layers(self) -> list[LayerTime]:
        runs: list[dict[str, float]] = self._profiler.runs
        names = dict.fromkeys(name for run in runs for name in run)
        return [self._layer(name, np.array([run.get(name, 0.0) for run in runs])) for name in names]

    def _layer(self, name: str, times: Any) -> LayerTime:
        found = self._named.get(_plain(name))
        if found is None:
            return LayerTime(name=name, kind=name, times_ms=times)
        reads = found.layer.reads
        return LayerTime(name=name, kind=found.layer.kind, times_ms=times, nodes=found.nodes, computes_in=reads)

    def close(self) -> None:
        if self._owner is not None:
            owner, self._owner = self._owner, None
            self._context.context.profiler = None
            with RUNNING, owner:
                self._context.stream.synchronize()
            self._runner.close()


def _plain(name: str) -> str:
    """Without the profile that it is of."""
    return PROFILE.sub("", name).strip()


def make_profiler(trt: Any) -> Any:
    """An IProfiler with the milliseconds of each layer in each of its `runs`; `raised` is what went wrong there."""

    class Profiler(trt.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.runs: list[dict[str, float]] = []
            self.raised: BaseException | None = None

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            # what left this method would end the process inside TensorRT's C++
            try:
                run = self.runs[-1]
                run[layer_name] = run.get(layer_name, 0.0) + float(ms)
            except BaseException as error:
                self.raised = self.raised or error

    return Profiler()
