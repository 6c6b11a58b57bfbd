"""Ranking of measured cells: the Pareto front, and a cell for each of three uses by stated rules.

Rules. *fastest*: of the cells that pass, the lowest latency. *balanced*: the same among those that pass without a
measurable loss of accuracy (the 95 % interval of the drop reaches 0). *reference*: the FP32 cell that all are compared
with. Latencies that cannot be told apart count as tied; of tied cells the smallest is taken. Latency is the median end
to end at the target's batch size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Cells = Mapping[str, Mapping[str, Any]]
Verdicts = Mapping[str, Mapping[str, Any]]
SpeedDifference = Literal["faster", "slower", "not told apart"]


@dataclass(frozen=True)
class Ranked:
    """What ranking looks at: latency in ms with its 95 % interval, size in MB, accuracy and its drop (shares)."""

    name: str
    latency_ms: float
    low_ms: float
    high_ms: float
    size_mb: float
    top1: float
    drop_low: float

    def clearly_faster(self, other: Ranked, margin: float) -> bool:
        """Whether the intervals of the latencies are apart, by a share of at least `margin`."""
        return self.high_ms * (1 + margin) < other.low_ms

    def dominates(self, other: Ranked, margin: float) -> bool:
        """No worse in accuracy, latency and size, and better in one; latencies that cannot be told apart are equal."""
        faster, slower = self.clearly_faster(other, margin), other.clearly_faster(self, margin)
        worse = slower or self.top1 < other.top1 or self.size_mb > other.size_mb
        return not worse and (faster or self.top1 > other.top1 or self.size_mb < other.size_mb)


def ranked(cells: Cells, batch_size: int) -> list[Ranked]:
    """The cells that were measured at `batch_size`, fastest first."""
    found = []
    for name, cell in cells.items():
        batch = cell.get(f"batch_{batch_size}") or {}
        if cell["status"] == "measured" and batch.get("end_to_end_p50_ms") is not None:
            found.append(
                Ranked(
                    name=name,
                    latency_ms=batch["end_to_end_p50_ms"],
                    low_ms=batch["end_to_end_p50_low_ms"],
                    high_ms=batch["end_to_end_p50_high_ms"],
                    size_mb=cell["size_mb"],
                    top1=cell["accuracy"]["top1"],
                    drop_low=cell["accuracy"]["drop_low"] or 0.0,
                )
            )
    return sorted(found, key=lambda cell: cell.latency_ms)


def noise_floor(method: Mapping[str, Any], batch_size: int, margin: float) -> float:
    """The share below which latencies are not told apart: `margin`, or what a device's control differed by if more."""
    controls = [device.get("control") or {} for device in method.get("devices", {}).values()]
    batches = [control[key] for control in controls if (key := f"batch_{batch_size}") in control]
    seen = [abs(batch[kind] - 1) for batch in batches for kind in ("speedup", "end_to_end_speedup")]
    return float(max([margin, *seen]))


def speed_difference(low: float | None, high: float | None, margin: float) -> SpeedDifference | None:
    """What a speed-up's 95 % interval [low, high] allows one to say; None where there is no speed-up.

    A difference must lie beyond 1 ± `margin` with its whole interval.
    """
    if low is None or high is None:
        return None
    if low > 1 + margin:
        return "faster"
    return "slower" if high < 1 / (1 + margin) else "not told apart"


def front(cells: Cells, batch_size: int, margin: float) -> list[str]:
    """Cells that no other beats: accuracy, latency and size."""
    every = ranked(cells, batch_size)
    return [cell.name for cell in every if not any(other.dominates(cell, margin) for other in every)]


def recommendations(
    cells: Cells, verdicts: Verdicts, reference: str | None, batch_size: int, margin: float
) -> dict[str, dict[str, Any]]:
    """For each use `cell` (None if the data allow none), `reason`, and cells by name in `tied`, `faster_if_decided`."""
    every = ranked(cells, batch_size)
    passing = [cell for cell in every if verdicts[cell.name]["verdict"] == "pass"]
    lossless = [cell for cell in passing if cell.drop_low <= 0]
    undecided = [cell for cell in every if verdicts[cell.name]["verdict"] == "undecided"]
    return {
        "fastest": _fastest(passing, undecided, "that pass", batch_size, margin),
        "balanced": _fastest(lossless, undecided, "that pass without a measurable loss", batch_size, margin),
        "reference": _reference(reference),
    }


def _fastest(
    candidates: list[Ranked], undecided: list[Ranked], group: str, batch_size: int, margin: float
) -> dict[str, Any]:
    if not candidates:
        return _none(undecided, group)
    quickest = candidates[0]
    tied = [cell for cell in candidates if not quickest.clearly_faster(cell, margin)]
    chosen = min(tied, key=lambda cell: (cell.size_mb, -cell.top1))
    others = [cell.name for cell in tied if cell is not chosen]
    waiting = [cell.name for cell in undecided if cell.clearly_faster(chosen, margin)]
    latency = f"{chosen.latency_ms:.4g} ms end to end at batch size {batch_size}"
    parts = [f"fastest of {len(candidates)} {group}: {latency}"]
    if others:
        parts.append(
            f"not to be told apart from {', '.join(others)} in speed, and the smallest ({chosen.size_mb:.3g} MB)"
        )
    if waiting:
        parts.append(f"{', '.join(waiting)} would be faster, but the data do not decide on it")
    return {"cell": chosen.name, "reason": "; ".join(parts), "tied": others, "faster_if_decided": waiting}


def _none(undecided: list[Ranked], group: str) -> dict[str, Any]:
    names = [cell.name for cell in undecided]
    reason = f"the data allow no recommendation: there are no cells {group}"
    if names:
        reason += f"; undecided: {', '.join(names)}"
    return {"cell": None, "reason": reason, "tied": [], "faster_if_decided": names}


def _reference(reference: str | None) -> dict[str, Any]:
    reason = (
        "FP32 by its measured error, and what the others are compared with" if reference else "no FP32 cell runs here"
    )
    return {"cell": reference, "reason": reason, "tied": [], "faster_if_decided": []}
