"""The FP32 cell that all others are compared with, and the strict FP32 answers that it is held against itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from roundoff.backend.base import Logits
from roundoff.cells.cell import Cell
from roundoff.cells.sidecar import GRAPH
from roundoff.dataset.base import Images
from roundoff.errors import GateError
from roundoff.graph.difference import relative_error
from roundoff.measurement.answered import Answered, Missing
from roundoff.measurement.effective_precision import Rounding, label, strict_fp32
from roundoff.results.message import message
from roundoff.results.shortfall import tolerated
from roundoff.system.slots import REFERENCE_PRECISION

log = logging.getLogger(__name__)


@dataclass
class StrictAnswers:
    """What strict FP32 answers to the test images uint8 [N, H, W, C], by the cell that it is held against."""

    images: Images
    _known: dict[str, Logits | None] = field(default_factory=dict)

    def prepare(self, cells: Sequence[Cell]) -> None:
        """Compute the answers of the cell that is likely to be the reference."""
        first = next((cell for cell in cells if cell.precision == REFERENCE_PRECISION and cell.built.measured), None)
        if first is not None and not any(cell.loader.strict_fp32 for cell in cells if cell.built.measured):
            self._of(first)

    def against(self, reference: Answered) -> Logits | None:
        """The reference's own where it is strict FP32 by itself; None where nothing tells.

        A GPU's FP32 cell, compared with itself, would show no error whatever it computes in.
        """
        return reference.logits if reference.cell.loader.strict_fp32 else self._of(reference.cell)

    def _of(self, cell: Cell) -> Logits | None:
        graph = cell.directory / GRAPH
        if cell.name not in self._known:
            self._known[cell.name] = _strict_logits(cell.name, graph, self.images) if graph.exists() else None
        return self._known[cell.name]


def _strict_logits(name: str, graph: Path, images: Images) -> Logits | None:
    logits: list[Logits] = []
    with tolerated(
        message("doing_strict_fp32"),
        lambda why: log.warning(
            "warning: nothing tells whether %s computes in FP32 (%s: %s), so errors are against it as it is: add the "
            "backend onnxruntime",
            name,
            why.reason,
            why.detail,
        ),
    ):
        logits.append(np.asarray(strict_fp32(graph, images)))
    return logits[0] if logits else None


def choose_reference(
    answered: Sequence[Answered], exactly: StrictAnswers, missing: Missing, strict: bool = False
) -> tuple[Answered, Logits | None] | None:
    """The reference among cells that ran the test set, labelled, and exact logits of the first images or all.

    The best FP32 cell that computes in FP32 or TF32 (of a backend with `strict_fp32`, then the others); the logits are
    None where there is no graph to have them from. None where no FP32 cell is left.
    """
    candidates = [each for each in answered if each.cell.precision == REFERENCE_PRECISION]
    for candidate in sorted(candidates, key=lambda each: not each.cell.loader.strict_fp32):
        exact = exactly.against(candidate)
        rounding = rounding_of(candidate.cell, exactly.images, exact)
        labelled = with_effective_precision(candidate, exact, rounding, missing, strict)
        if labelled is not None:
            return labelled, exact
    return None


def rounding_of(cell: Cell, images: Images, exact: Logits | None) -> Rounding | None:
    """What rounding costs the network of an FP32 cell, which answers `exact`; None where there is no graph of it."""
    graph = cell.directory / GRAPH
    return Rounding(graph, images, exact) if exact is not None and graph.exists() else None


def with_effective_precision(
    answered: Answered, exact: Logits | None, rounding: Rounding | None, missing: Missing, strict: bool = False
) -> Answered | None:
    """With the error against `exact` and what it says of the type; None for a cell that is not what it claims."""
    with missing.note(answered.name, message("doing_comparing"), strict):
        error = None if exact is None else _error(*_of_the_same(answered, exact))
        cell = answered.cell
        computes_in = label(cell.precision, error, cell.name, cell.full_width, rounding)
        return replace(answered, relative_error=error, effective_precision=computes_in)
    return None


def _of_the_same(answered: Answered, exact: Logits) -> tuple[Logits, Logits]:
    """The logits of both for the images that both have; `exact` are of all, or of the first."""
    if answered.rows is None:
        return answered.logits, exact
    rows = answered.rows[answered.rows < len(exact)]
    return answered.logits[rows], exact[rows]


def _error(logits: Logits, exact: Logits) -> float | None:
    if logits.shape[1:] != exact.shape[1:]:  # or NumPy would stretch one to the other
        raise GateError(
            message("other_classes"),
            received=f"{logits.shape[1]} logits for each image",
            expected=exact.shape[1],
            fix="the engine was built from another graph; build it again",
        )
    if not len(exact):
        return None
    error = relative_error(logits[: len(exact)], exact)
    return error if np.isfinite(error) else None


def no_reference(cells: Sequence[Cell], missing: Missing) -> GateError:
    """No FP32 cell runs: what became of each."""
    became = [_became(cell, missing) for cell in cells if cell.precision == REFERENCE_PRECISION]
    return GateError(
        "no FP32 cell runs here, so there is nothing to compare the others with",
        received="; ".join(became) or "no FP32 cell at all",
        expected="one FP32 cell that runs",
        fix="mend one of these, or add the backend onnxruntime, which runs everywhere: `-S backend=[…,onnxruntime]`",
    )


def _became(cell: Cell, missing: Missing) -> str:
    why = missing.get(cell.name, cell.built)
    return f"{cell.name} is {why.status} ({why.reason}{f': {why.detail}' if why.detail else ''})"
