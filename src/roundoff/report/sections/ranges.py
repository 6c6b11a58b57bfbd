"""What calibration has to do with an 8-bit cell that does not pass: the tensor, and the setting that mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from roundoff.report.words.compute_types import is_quantized_integer
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import percent, plain
from roundoff.results.message import Words
from roundoff.results.preparation import CalibrationMetrics
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
    prefix = "asymmetric_" if ranges == "asymmetric" else ""
    lines = evidence.noise if ranges else []
    integers = is_quantized_integer(cell)
    return [_held(line, prefix, integers) for line in lines if line.get(f"{prefix}quantized", "True") == "True"]


def _held(line: Mapping[str, str], prefix: str, integers: bool) -> HeldTensor:
    """Weights are symmetric on every grid, so their figures stand in the plain columns alone."""

    def figure(name: str) -> float:
        return float(line.get(f"{prefix}{name}") or line.get(name) or 0.0)

    sqnr = figure("sqnr_db") if integers else None
    return HeldTensor(line["tensor"], figure("low"), figure("high"), figure("clipped_percent"), sqnr)


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
