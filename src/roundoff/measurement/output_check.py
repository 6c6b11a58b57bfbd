"""Whether the timed modes compute what the accuracy run computed, and the same on one input again and again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from roundoff.backend.base import Binding
from roundoff.backend.repeats import REPEATS, looked_again, spread_of
from roundoff.errors import GateError, UnsteadyError, noted
from roundoff.graph.difference import relative_error
from roundoff.measurement.accuracy import Logits
from roundoff.results.message import message

SAME_OUTPUT = 1e-5
MOST_REPEAT = 0.01
MODES = (("device-only", False), ("end-to-end", True))
NOT_TIMED = "the timings would be of something else; leave this batch size or precision out, or try another version"


@dataclass(frozen=True)
class Answers:
    """What a binding's outputs were off by: against the accuracy run's, and from run to run of one input."""

    output_error: float
    output_tolerance: float
    repeat_spread: float
    repeat_tolerance: float

    def worst(self, other: Answers | None) -> Answers:
        """The larger error and spread of two checks."""
        if other is None:
            return self
        error = max(self.output_error, other.output_error)
        return replace(self, output_error=error, repeat_spread=max(self.repeat_spread, other.repeat_spread))


def tolerance(own_error: float | None) -> float:
    """Twice a precision's own relative error, at most 0.5: what two kernels that err by that much can differ by."""
    return max(SAME_OUTPUT, min(0.5, 2 * (own_error or 0.0)))


def repeat_tolerance(own_error: float | None) -> float:
    """Twice a precision's own relative error, at most 1 %: what runs of one engine on one input may differ by."""
    return max(SAME_OUTPUT, min(MOST_REPEAT, 2 * (own_error or 0.0)))


def check_outputs(cell: str, bound: Binding, expected: Logits, own_error: float | None) -> Answers:
    """Poison the outputs, run in either timed mode, ten times on one input, and compare.

    `expected` are the accuracy run's logits [input_buffers × batch, classes], `own_error` the cell's relative error.
    Not bit for bit: another batch size may take another kernel, which adds in another order. Returns the larger error
    and spread of both modes. Raises GateError where an output is not written, not finite or too far off, and
    UnsteadyError where runs of one input differ too much.
    """
    with noted(f"while the outputs of {cell} at batch size {bound.batch_size} were checked"):
        return _checked(bound, expected, tolerance(own_error), repeat_tolerance(own_error))


def _checked(bound: Binding, expected: Logits, most: float, most_spread: float) -> Answers:
    by_mode = {}
    for mode, transfers in MODES:
        bound.poison()
        by_mode[mode] = _whole(mode, bound.outputs(transfers), expected)
    # before the comparison with the accuracy run, from which an engine that is not steady differs anyhow
    spread = max(spread_of([bound.output(transfers) for _ in range(REPEATS)]) for _, transfers in MODES)
    if not spread <= most_spread:
        raise _unsteady(bound, spread, most_spread)
    errors = [_compared(mode, bound, outputs, expected, most) for mode, outputs in by_mode.items()]
    return Answers(max(errors), most, spread, most_spread)


def _whole(mode: str, outputs: list[Logits], expected: Logits) -> Logits:
    """All outputs [input_buffers × batch, classes], finite wherever the accuracy run's are."""
    logits = np.concatenate(outputs)
    if logits.shape != expected.shape:
        raise GateError(
            message("other_shape", mode=mode),
            received=logits.shape,
            expected=expected.shape,
            fix=NOT_TIMED,
        )
    unwritten = int((np.isfinite(logits) != np.isfinite(expected)).any(axis=1).sum())
    if unwritten:
        raise GateError(
            message("other_outputs", mode=mode),
            received=f"{unwritten} outputs never written or not finite, of {len(logits)}",
            expected="every output written, and finite where the accuracy run's is",
            fix=NOT_TIMED,
        )
    return logits


def _compared(mode: str, bound: Binding, logits: Logits, expected: Logits, most: float) -> float:
    error = relative_error(logits, expected)
    if not error <= most:  # which not a number is not, either
        raise GateError(
            message("other_outputs", mode=mode),
            received=f"relative error {error:.3g}{_alone_against(bound, expected, most)}",
            expected=f"relative error at most {most:.1e}",
            fix=NOT_TIMED,
        )
    return error


def _alone_against(bound: Binding, expected: Logits, most: float) -> str:
    """What a run with nothing beside it shows of the first input; empty where the timed modes are that already."""
    if bound.alone_words is None:
        return ""
    error = relative_error(bound.alone(1)[0], expected[: bound.batch_size])
    alike = "like the accuracy run" if error <= most else "otherwise than the accuracy run, too"
    return f"; {bound.alone_words} the engine answers {alike} (relative error {error:.3g})"


def _unsteady(bound: Binding, spread: float, allowed: float) -> UnsteadyError:
    raised = UnsteadyError(
        message("runs_differ", runs=REPEATS),
        received=f"relative difference up to {spread:.3g}; {looked_again(bound, allowed)}",
        expected=f"at most {allowed:.1e}",
        fix=NOT_TIMED,
    )
    raised.repeat_spread = spread if np.isfinite(spread) else None
    return raised
