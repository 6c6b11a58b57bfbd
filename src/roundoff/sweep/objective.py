"""What an experiment returns to a sweeper: figures of one cell, by default of the one that ships."""

from __future__ import annotations

from collections.abc import Sequence

from roundoff.errors import RoundoffError
from roundoff.results.cell import Batch
from roundoff.revisions.revision import Snapshot

OF_ACCURACY = ("top1", "relative_accuracy", "agreement")
OF_BATCH = {"speedup": "end_to_end_speedup", "latency_ms": "end_to_end_p50_ms"}
FIGURES = (*OF_ACCURACY, *OF_BATCH, "size_mb")
# A reference is as accurate as itself, and agrees with itself.
OF_REFERENCE = {"relative_accuracy": 1.0, "agreement": 1.0, "speedup": 1.0}


def figures_of(snapshot: Snapshot, objectives: Sequence[str], cell: str | None = None) -> tuple[float, ...]:
    """The figures named in `objectives` of `cell` (PRECISION/BACKEND), else of the one that ships, at the target's
    batch size. Raises RoundoffError where there is none."""
    verdict = snapshot.verdict
    name = cell or (verdict.shipped.cell if verdict.shipped else None)
    if name is None or name not in snapshot.cells:
        raise RoundoffError(
            f"experiment {snapshot.revision} has no cell to judge a setting by",
            received="nothing that may ship" if name is None else f"{name}; it has {', '.join(snapshot.cells)}",
            expected="sweep.cell, or a cell that may ship",
            fix="set sweep.cell to a cell that is measured with every setting, such as fp32/onnxruntime",
        )
    batch = snapshot.cells[name].batches.get(verdict.target.batch_size if verdict.target else 1)
    return tuple(_figure(objective, name, snapshot, batch) for objective in objectives)


def _figure(objective: str, name: str, snapshot: Snapshot, batch: Batch | None) -> float:
    cell = snapshot.cells[name]
    if objective in OF_ACCURACY:
        found = getattr(cell.accuracy, objective, None)
    else:
        found = getattr(batch, OF_BATCH[objective], None) if objective in OF_BATCH else cell.size_mb
    if found is None and name == snapshot.metrics.reference:
        found = OF_REFERENCE.get(objective)
    if found is None:
        raise RoundoffError(
            f"{name} of experiment {snapshot.revision} has no {objective}",
            received=cell.status,
            expected="a cell that was measured and timed",
            fix="set sweep.cell or sweep.objectives to what is measured with every setting",
        )
    return float(found)
