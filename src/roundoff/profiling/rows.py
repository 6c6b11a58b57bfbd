"""A cell's layers as rows of layers.csv."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from roundoff.backend.base import LayerTime
from roundoff.cells.cell import Cell
from roundoff.cells.sidecar import GRAPH
from roundoff.graph.costs import Costs
from roundoff.profiling.roles import Nodes, own_nodes
from roundoff.results.layers import CellLayers, LayerRow


def rows_of(cell: Cell, layers: Sequence[LayerTime], batch: int) -> Iterator[LayerRow]:
    """A row for each layer, in the order in which they run; costs by the cell's graph at that batch size."""
    import onnx

    path = cell.directory / GRAPH
    model = onnx.load(path) if path.exists() else None
    nodes, costs = Nodes(model), Costs.of(model, batch) if model is not None else None
    total = sum(float(layer.times_ms.sum()) for layer in layers)
    for layer, own in zip(layers, own_nodes([(each.kind, each.nodes) for each in layers]), strict=True):
        yield LayerRow(
            backend=cell.backend,
            precision=cell.precision,
            layer=nodes.layer(layer.name, own or layer.nodes),
            nodes=own,
            kind=layer.kind,
            time_ms=float(layer.times_ms.sum()),
            average_ms=float(layer.times_ms.mean()),
            median_ms=float(np.median(layer.times_ms)),
            percentage=100 * float(layer.times_ms.sum()) / total if total else 0.0,
            macs=layer.macs if layer.macs is not None or costs is None else costs.macs_of(own),
            moved_bytes=_moved(layer, own, costs),
            computes_in=layer.computes_in,
            role=nodes.role(layer.kind, own),
        )


def _moved(layer: LayerTime, nodes: Sequence[str], costs: Costs | None) -> int | None:
    return layer.moved_bytes if layer.moved_bytes is not None or costs is None else costs.moved_bytes(nodes)


def row_without(cell: Cell, told: CellLayers) -> LayerRow:
    """The row of a cell that has no times per layer."""
    return LayerRow(backend=cell.backend, precision=cell.precision, reason=str(told.reason))
