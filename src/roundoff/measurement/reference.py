"""The FP32 cell that all others are compared with, and the strict FP32 answers that it is held against itself."""

from __future__ import annotations

import logging

import numpy as np

from roundoff.backend.base import Logits
from roundoff.cells.cell import PREFERRED_REFERENCE, REFERENCE_PRECISION, Cell, references
from roundoff.cells.store import GRAPH
from roundoff.dataset.base import Images
from roundoff.errors import GateError
from roundoff.measurement.accuracy import relative_error
from roundoff.measurement.effective_precision import label, strict_fp32
from roundoff.results.shortfall import tolerated

log = logging.getLogger(__name__)


def choose_reference(cells: list[Cell], images: Images, strict: bool = False) -> tuple[Cell, Logits | None]:
    """The reference among cells that ran the test set, labelled, and exact logits of the first images or all.

    The best FP32 cell that computes in FP32 or TF32; the logits are None where there is no graph to have them from.
    Raises GateError where no FP32 cell is left, which names what became of each.
    """
    for cell in references([cell for cell in cells if cell.logits is not None]):
        exact = _exact_logits(cell, images)
        if fill_label(cell, exact, strict):
            return cell, exact
    raise no_reference(cells)


def fill_label(cell: Cell, exact: Logits | None, strict: bool = False) -> bool:
    """Error against `exact` and what it says of the type into the row; False for a cell that is not what it claims."""
    assert cell.logits is not None
    with tolerated("comparing it with FP32", cell.leave_out, strict):
        error = None if exact is None else _error(cell.logits, exact)
        cell.row["label"] = label(cell.precision, error, cell.name)
        cell.row["numerics"]["relative_error"] = error
        return True
    return False


def _error(logits: Logits, exact: Logits) -> float | None:
    if logits.shape[1:] != exact.shape[1:]:  # or NumPy would stretch one to the other
        raise GateError(
            "it answers for another number of classes than FP32",
            received=f"{logits.shape[1]} logits for each image",
            expected=exact.shape[1],
            fix="the engine was built from another graph; build it again",
        )
    return relative_error(logits[: len(exact)], exact)


def no_reference(cells: list[Cell]) -> GateError:
    """No FP32 cell runs: what became of each."""
    became = [
        f"{cell.name} is {cell.row['status']} ({cell.row['reason']}{_words(cell)})"
        for cell in cells
        if cell.precision == REFERENCE_PRECISION
    ]
    return GateError(
        "no FP32 cell runs here, so there is nothing to compare the others with",
        received="; ".join(became) or "no FP32 cell at all",
        expected="one FP32 cell that runs",
        fix="mend one of these, or add the backend onnxruntime, which runs everywhere: `-S backend=[…,onnxruntime]`",
    )


def _words(cell: Cell) -> str:
    return f": {cell.row['detail']}" if cell.row.get("detail") else ""


def _exact_logits(reference: Cell, images: Images) -> Logits | None:
    """The reference's own where it is strict FP32 by itself.

    A GPU's FP32 cell, compared with itself, would show no error whatever it computes in.
    """
    if reference.name == PREFERRED_REFERENCE:
        return reference.logits
    graph = reference.directory / GRAPH
    if not graph.exists():
        return None
    found: list[Logits] = []
    with tolerated(
        "strict FP32 on the CPU",
        lambda missing: log.warning(
            "nothing tells whether %s computes in FP32: %s (%s)", reference.name, missing.reason, missing.detail
        ),
    ):
        found.append(np.asarray(strict_fp32(graph, images)))
    return found[0] if found else None
