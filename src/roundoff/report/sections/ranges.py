"""What calibration has to do with an 8-bit cell that does not pass: the tensor, and the setting that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from roundoff.report.words.compute_types import is_quantized_integer
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import percent, plain
from roundoff.results.message import Words
from roundoff.results.preparation import CalibrationMetrics, Noise
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import config_key

LEAST_DB = 15.0
"""A tensor whose noise is stronger than this costs answers: well chosen ranges leave 25 dB and more."""
DEFAULT_METHOD = "mse"
NOT_PASSED = ("fail", "undecided")


@dataclass(frozen=True)
class HeldTensor:
    """A tensor that a cell holds in 8 bits, on the cell's kind of grid; `sqnr_db` is None where that is not int8's."""

    name: str
    low: float
    high: float
    clipped_percent: float
    sqnr_db: float | None


def range_notes(evidence: Evidence, words: Words) -> Iterator[str]:
    """A sentence for each cell built from the calibration table that fails or is undecided, and has such a tensor."""
    decision, calibrated = Decision(evidence.verdict), evidence.calibration or CalibrationMetrics()
    allowed = calibrated.max_clipped_percent or 1.0
    for cell in evidence.measured:
        if decision.verdict(cell.key) not in NOT_PASSED:
            continue
        bad = [one for one in held_tensors(cell, evidence) if _is_bad(one, allowed)]
        if bad:
            yield _note(cell, bad, calibrated.method, words)


def held_tensors(cell: Cell, evidence: Evidence) -> list[HeldTensor]:
    """The tensors that the cell holds in 8 bits by the table; none where it was not built from one."""
    ranges = cell.metrics.ranges
    fitted = ranges == "asymmetric"
    lines = evidence.noise if ranges else []
    integers = is_quantized_integer(cell)
    held = [line for line in lines if (line.asymmetric_quantized if fitted else line.quantized)]
    return [_of_fitted_grid(line, integers) if fitted else _of_symmetric_grid(line, integers) for line in held]


def _of_symmetric_grid(line: Noise, integers: bool) -> HeldTensor:
    return HeldTensor(line.tensor, line.low, line.high, line.clipped_percent or 0.0, line.sqnr_db if integers else None)


def _of_fitted_grid(line: Noise, integers: bool) -> HeldTensor:
    """Weights are symmetric on every grid, so their figures are those alone; so are all of a run of before."""
    other = _of_symmetric_grid(line, integers)
    low, high, clipped = line.asymmetric_low, line.asymmetric_high, line.asymmetric_clipped_percent
    return HeldTensor(
        line.tensor,
        other.low if low is None else low,
        other.high if high is None else high,
        other.clipped_percent if clipped is None else clipped,
        other.sqnr_db if line.asymmetric_sqnr_db is None or not integers else line.asymmetric_sqnr_db,
    )


def _is_bad(tensor: HeldTensor, allowed_percent: float) -> bool:
    return tensor.clipped_percent > allowed_percent or (tensor.sqnr_db is not None and tensor.sqnr_db < LEAST_DB)


def _note(cell: Cell, bad: list[HeldTensor], method: str | None, words: Words) -> str:
    worst = min(bad, key=lambda one: (one.sqnr_db or 0.0, -one.clipped_percent))
    told = {"cell": cell.key, "tensor": worst.name, "low": plain(worst.low), "high": plain(worst.high)}
    told["clipped"] = percent(worst.clipped_percent / 100)
    sentences = [words("note_range", **told)]
    if worst.sqnr_db is not None:
        sentences.append(words("note_range_noise", sqnr=plain(worst.sqnr_db)))
    if len(bad) > 1:
        sentences.append(words("note_range_more", count=len(bad) - 1))
    if method != DEFAULT_METHOD:
        sentences.append(words("note_range_method", method=method, default=DEFAULT_METHOD))
    else:
        sentences.append(words("note_range_exclude", setting=f"{config_key(cell.precision)}.exclude_nodes"))
    return words("sentence_separator").join(sentences)
