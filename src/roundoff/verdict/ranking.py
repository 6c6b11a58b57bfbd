"""Ranking of measured cells: the Pareto front, and a cell for each of three uses by stated rules.

Rules. *fastest*: of the cells that pass, the lowest latency. *balanced*: the same among those that pass without a
measurable loss of accuracy (the 95 % interval of the drop reaches 0). *reference*: the FP32 cell that all are compared
with. Cells that none is clearly faster than count as tied; of tied cells the smallest is taken, and of those that are
as small, by 1 %, the most accurate, then the fastest. Accuracies are told apart by the intervals of their paired drops
from the reference. Latency is the median end to end at the target's batch size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

SAME_SIZE = 0.01  # sizes within this share are equal: a header's bytes are nobody's reason to ship a precision
Cells = Mapping[str, Mapping[str, Any]]
Verdicts = Mapping[str, Mapping[str, Any]]
SpeedDifference = Literal["faster", "slower", "not told apart"]


@dataclass(frozen=True)
class Ranked:
    """What ranking looks at: latency in ms with its 95 % interval, size in MB, the interval of the accuracy lost.

    `noise` is the share below which the cell's device tells no latencies apart; accuracy is a share, see `lost`.
    """

    name: str
    latency_ms: float
    low_ms: float
    high_ms: float
    noise: float
    size_mb: float
    top1: float
    lost_low: float
    lost_high: float

    def clearly_faster(self, other: Ranked) -> bool:
        """Whether the intervals of the latencies are apart, by a share beyond both devices' noise.

        Each interval is widened by the root of its own device's, so on one device by its noise in all.
        """
        return self.high_ms * math.sqrt((1 + self.noise) * (1 + other.noise)) < other.low_ms

    def clearly_more_accurate(self, other: Ranked) -> bool:
        """Whether the intervals of what both lose are apart."""
        return self.lost_high < other.lost_low

    def clearly_smaller(self, other: Ranked) -> bool:
        """Whether it is smaller by more than `SAME_SIZE`."""
        return self.size_mb * (1 + SAME_SIZE) < other.size_mb

    def dominates(self, other: Ranked) -> bool:
        """No worse in accuracy, latency and size, and better in one; what cannot be told apart is equal."""
        worse = other.clearly_faster(self) or other.clearly_more_accurate(self) or other.clearly_smaller(self)
        better = self.clearly_faster(other) or self.clearly_more_accurate(other) or self.clearly_smaller(other)
        return better and not worse


class _LeftOut(NamedTuple):
    """Passing cells that are not ranked: not timed at the ranked batch size, or failed there."""

    untimed: list[str]
    failed: list[str]


def ranked(cells: Cells, reference: str | None, batch_size: int, noise: Mapping[str, float]) -> list[Ranked]:
    """The cells that were measured at `batch_size`, fastest first; `noise` by cell."""
    found = []
    for name, cell in cells.items():
        batch = cell.get(f"batch_{batch_size}") or {}
        if cell["status"] == "measured" and batch.get("end_to_end_p50_ms") is not None:
            low, high = lost(name, cell, reference)
            found.append(
                Ranked(
                    name=name,
                    latency_ms=batch["end_to_end_p50_ms"],
                    low_ms=batch["end_to_end_p50_low_ms"],
                    high_ms=batch["end_to_end_p50_high_ms"],
                    noise=noise[name],
                    size_mb=cell["size_mb"],
                    top1=cell["accuracy"]["top1"],
                    lost_low=low,
                    lost_high=high,
                )
            )
    return sorted(found, key=lambda cell: cell.latency_ms)


def lost(name: str, cell: Mapping[str, Any], reference: str | None) -> tuple[float, float]:
    """The 95 % interval of the accuracy that a cell loses to the reference (a share), which itself loses nothing.

    Without a reference nothing is paired: the interval of the share of wrong answers.
    """
    found = cell["accuracy"]
    if name == reference:
        return 0.0, 0.0
    if found["drop"] is None:
        return 1 - found["top1_high"], 1 - found["top1_low"]
    return found["drop_low"], found["drop_high"]


def noise_floor(method: Mapping[str, Any], batch_size: int, margin: float, cell: str | None = None) -> float:
    """The share below which latencies are not told apart: `margin`, or what a control differed by if that is more.

    The control is that of the cell's own device; without `cell`, the worst of all devices counts.
    """
    devices = [
        found for found in (method.get("devices") or {}).values() if cell in (None, *(found.get("cells") or [cell]))
    ]
    controls = [device.get("control") or {} for device in devices]
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


def front(every: Sequence[Ranked]) -> list[str]:
    """Cells that no other beats: accuracy, latency and size.

    Of intervals each may beat the next in a circle: where all are beaten, none is left out.
    """
    unbeaten = [cell for cell in every if not any(other.dominates(cell) for other in every)]
    return [cell.name for cell in unbeaten or every]


def recommendations(
    every: Sequence[Ranked], cells: Cells, verdicts: Verdicts, reference: str | None, batch_size: int
) -> dict[str, dict[str, Any]]:
    """For each use `cell` (None if the data allow none), `reason`, and what else a reader must know of.

    `tied` and `faster_if_decided` are cells by name, `untimed` those that pass but were not timed at `batch_size`,
    `failed` those that pass but failed there, `undecided` those that could change the answer, each with the number of
    test images that would decide (or None).
    """
    passing = [name for name, found in verdicts.items() if found["verdict"] == "pass"]
    lossless = [name for name in passing if lost(name, cells[name], reference)[0] <= 0]
    undecided = {n: images_needed(found) for n, found in verdicts.items() if found["verdict"] == "undecided"}
    failed = [name for name in passing if failed_at(cells[name], batch_size)]
    return {
        "fastest": _fastest(every, passing, undecided, failed, "that pass", batch_size),
        "balanced": _fastest(every, lossless, undecided, failed, "that pass without a measurable loss", batch_size),
        "reference": _reference(reference),
    }


def failed_at(cell: Mapping[str, Any], batch_size: int) -> bool:
    """Whether the cell failed at a batch size, and not as a whole."""
    return bool((cell.get(f"batch_{batch_size}") or {}).get("status") == "failed")


def images_needed(verdict: Mapping[str, Any]) -> int | None:
    """How many test images would probably decide an undecided cell; None where images alone do not."""
    needed = [check.get("samples_needed") for check in verdict["checks"] if check["verdict"] == "undecided"]
    return max(needed) if needed and None not in needed else None


def rounded_up(count: int) -> int:
    """Two significant digits, upwards: the number is an estimate and should look like one."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def _fastest(
    every: Sequence[Ranked],
    names: Sequence[str],
    undecided: Mapping[str, int | None],
    failed: Sequence[str],
    group: str,
    batch_size: int,
) -> dict[str, Any]:
    candidates = [cell for cell in every if cell.name in names]
    left = [name for name in names if name not in {cell.name for cell in every}]
    out = _LeftOut([name for name in left if name not in failed], [name for name in left if name in failed])
    if not candidates:
        return _none(undecided, out, group, batch_size)
    tied = [cell for cell in candidates if not any(other.clearly_faster(cell) for other in candidates)]
    smallest = [cell for cell in tied if not any(other.clearly_smaller(cell) for other in tied)]
    chosen = min(smallest, key=lambda cell: (-cell.top1, cell.latency_ms))
    others = [cell.name for cell in tied if cell is not chosen]
    waiting = {cell.name: undecided[cell.name] for cell in every if _would_win(cell, chosen, undecided)}
    latency = f"{chosen.latency_ms:.4g} ms end to end at batch size {batch_size}"
    parts = [f"fastest of {len(candidates)} {group}: {latency}"]
    if others:
        parts.append(
            f"not to be told apart from {', '.join(others)} in speed; "
            f"none is smaller by more than 1 % ({chosen.size_mb:.3g} MB)"
        )
    if waiting:
        parts.append(f"would be faster, but the data do not decide on it: {_with_needs(waiting)}")
    if out.untimed:
        parts.append(f"of the cells {group}, not timed at batch size {batch_size}: {', '.join(out.untimed)}")
    if out.failed:
        parts.append(f"of the cells {group}, failed at batch size {batch_size}: {', '.join(out.failed)}")
    return _recommendation(chosen.name, parts, others, waiting, out)


def _would_win(cell: Ranked, chosen: Ranked, undecided: Mapping[str, int | None]) -> bool:
    return cell.name in undecided and cell.clearly_faster(chosen)


def _none(undecided: Mapping[str, int | None], out: _LeftOut, group: str, batch_size: int) -> dict[str, Any]:
    why = [] if out.untimed or out.failed else [f"there are no cells {group}"]
    if out.untimed:
        why.append(
            f"none of the cells {group} was timed at verdict.batch_size={batch_size}: {', '.join(out.untimed)}; "
            "rank at a batch size of evaluate.batch_sizes, or time this one, too"
        )
    if out.failed:
        why.append(f"of the cells {group}, failed at batch size {batch_size}: {', '.join(out.failed)}")
    parts = [f"the data allow no recommendation: {'; '.join(why)}"]
    if undecided:
        parts.append(f"undecided: {_with_needs(undecided)}")
    return _recommendation(None, parts, [], undecided, out)


def _with_needs(undecided: Mapping[str, int | None]) -> str:
    return ", ".join(
        f"{name} (about {rounded_up(count):,} test images would decide)" if count else name
        for name, count in undecided.items()
    )


def _recommendation(
    cell: str | None, parts: Sequence[str], tied: list[str], undecided: Mapping[str, int | None], out: _LeftOut
) -> dict[str, Any]:
    return {
        "cell": cell,
        "reason": "; ".join(parts),
        "tied": tied,
        "faster_if_decided": list(undecided),
        "untimed": out.untimed,
        "failed": out.failed,
        "undecided": dict(undecided),
    }


def _reference(reference: str | None) -> dict[str, Any]:
    reason = (
        "FP32 by its measured error, and what the others are compared with" if reference else "no FP32 cell runs here"
    )
    return _recommendation(reference, [reason], [], {}, _LeftOut([], []))
