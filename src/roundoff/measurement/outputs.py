"""Whether the timed modes compute what the accuracy run computed: outputs are poisoned, computed again and compared."""

from __future__ import annotations

import numpy as np

from roundoff.backend.base import Bound
from roundoff.errors import GateError
from roundoff.measurement.accuracy import Logits, relative_error

SAME_OUTPUT = 1e-5


def tolerance(own_error: float | None) -> float:
    """Twice a precision's own relative error, at most 0.5: what two kernels that err by that much can differ by."""
    return max(SAME_OUTPUT, min(0.5, 2 * (own_error or 0.0)))


def check_outputs(cell: str, bound: Bound, expected: Logits, most: float) -> float:
    """Poison the outputs, run in either timed mode, and compare with `expected`, logits [rotate × batch, classes].

    Not bit for bit: another batch size may take another kernel, which adds in another order. Returns the larger of the
    relative errors; raises GateError where it is above `most`.
    """
    where, errors = f"{cell} at batch size {bound.batch_size}", list[float]()
    for mode, transfers in (("device-only", False), ("end-to-end", True)):
        bound.poison()
        errors.append(_compare_outputs(where, mode, bound.outputs(transfers), expected, most))
    return max(errors)


def _compare_outputs(cell: str, mode: str, outputs: list[Logits], expected: Logits, most: float) -> float:
    found = np.concatenate(outputs)
    unwritten = int((np.isfinite(found) != np.isfinite(expected)).any(axis=1).sum())
    error = relative_error(found, expected)
    if unwritten or (error is not None and error > most):
        raise GateError(
            f"{cell}: the {mode} timed mode does not compute what the accuracy run computed",
            received=f"{unwritten} outputs never written or not finite, relative error {error}",
            expected=f"every output written, relative error at most {most:.1e}",
            fix="the backend's binding or the runtime is at fault: the timings would be of something else",
        )
    return error or 0.0
