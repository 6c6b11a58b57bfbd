"""A cell for each use and for each batch size, by stated rules.

Rules. *fastest*: of the cells that pass, the lowest latency. *balanced*: the same among those that pass without a
measurable loss of accuracy (the 95 % interval of the drop reaches 0). *reference*: the FP32 cell that all are compared
with. Cells tie if no other is clearly faster; of tied cells the smallest is taken, and of those that are as small, by
1 %, the most accurate, then the fastest. `uses` has the others. What ships is the balanced cell, else the fastest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from roundoff.results.cell import CellMetrics
from roundoff.results.run import Metrics
from roundoff.results.values import Use
from roundoff.results.verdict import CellVerdict, Recommendation, Requirements
from roundoff.verdict.ranking import Ranked, accuracy_loss
from roundoff.verdict.uses import single_uses

Verdicts = Mapping[str, CellVerdict]


def recommendations(
    every: Sequence[Ranked], metrics: Metrics, verdicts: Verdicts, target: Requirements
) -> dict[Use, Recommendation]:
    """One for each use; `every` are the cells that were ranked, at the target's batch size."""
    return {
        **_by_latency(every, metrics, verdicts, target.batch_size),
        **single_uses(metrics, target, _passing(verdicts), _undecided(verdicts)),
        "reference": Recommendation(cell=metrics.reference),
    }


def shipped_at(every: Sequence[Ranked], metrics: Metrics, verdicts: Verdicts, batch_size: int) -> Recommendation:
    """What ships at a batch size, at which the cells of `every` were ranked."""
    found = _by_latency(every, metrics, verdicts, batch_size)
    return found["balanced"] if found["balanced"].cell else found["fastest"]


def _by_latency(
    every: Sequence[Ranked], metrics: Metrics, verdicts: Verdicts, batch_size: int
) -> dict[Use, Recommendation]:
    cells, passing, undecided = metrics.cells, _passing(verdicts), _undecided(verdicts)
    lossless = [name for name in passing if _without_loss(name, cells[name], metrics.reference)]
    failed = {name for name in passing if batch_size in cells[name].failed_batches}
    return {
        "balanced": _fastest(every, lossless, undecided, failed),
        "fastest": _fastest(every, passing, undecided, failed),
    }


def _passing(verdicts: Verdicts) -> list[str]:
    return [name for name, verdict in verdicts.items() if verdict.verdict == "pass"]


def _undecided(verdicts: Verdicts) -> dict[str, int | None]:
    return {name: verdict.samples_needed for name, verdict in verdicts.items() if verdict.verdict == "undecided"}


def _without_loss(name: str, cell: CellMetrics, reference: str | None) -> bool:
    return cell.accuracy is not None and accuracy_loss(name, cell.accuracy, reference)[0] <= 0


def _fastest(
    every: Sequence[Ranked], names: Sequence[str], undecided: dict[str, int | None], failed: Collection[str]
) -> Recommendation:
    """The fastest cell of `names`; without one, all that is undecided could change that."""
    candidates = [cell for cell in every if cell.name in names]
    unranked = [name for name in names if name not in {cell.name for cell in every}]
    chosen, tied = chosen_of(candidates)
    would_win = undecided
    if chosen is not None:
        faster = [cell.name for cell in every if cell.name in undecided and cell.clearly_faster(chosen)]
        would_win = {name: undecided[name] for name in faster}
    return Recommendation(
        cell=chosen.name if chosen else None,
        tied=tied,
        undecided=would_win,
        not_timed=[name for name in unranked if name not in failed],
        failed=[name for name in unranked if name in failed],
    )


def chosen_of(candidates: Sequence[Ranked]) -> tuple[Ranked | None, list[str]]:
    """The cell to take of the candidates, and those that it ties with."""
    tied = [cell for cell in candidates if not any(other.clearly_faster(cell) for other in candidates)]
    tied = tied or [*candidates]  # between backends and within one, what is clearly faster can be a circle
    smallest = [cell for cell in tied if not any(other.clearly_smaller(cell) for other in tied)]
    if not smallest:
        return None, []
    chosen = min(smallest, key=lambda cell: (-cell.top1, cell.latency_ms))
    return chosen, [cell.name for cell in tied if cell is not chosen]
