"""The slices of a run: its test images by class and by the columns of a user's table, and what cells lose on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from roundoff.dataset.base import Prepared
from roundoff.errors import DataError
from roundoff.results.run import Metrics
from roundoff.results.slices import SliceLoss
from roundoff.revisions.read import Sources
from roundoff.revisions.series import guesses_in, labels_in
from roundoff.system.tables import read_table
from roundoff.verdict.slices import Slices, slice_losses


def read_slice_losses(sources: Sources, metrics: Metrics) -> list[SliceLoss]:
    """Of each measured cell beside the reference, on each slice; none where answers are missing. Raises DataError."""
    paths = {name: sources.predictions / f"{name}.npy" for name, cell in metrics.cells.items() if cell.accuracy}
    labels = sources.predictions / "labels.npy"
    if metrics.reference not in paths or not labels.is_file():
        return []
    names = Prepared(sources.prepared).manifest.names
    truth = labels_in(labels, len(names))
    guesses = {
        name: guesses_in(path, truth, len(names), metrics.cells[name].accuracy)
        for name, path in paths.items()
        if path.is_file()
    }
    reference = guesses.pop(metrics.reference, None)
    if reference is None:
        return []
    columns = _columns(sources.slices, len(truth))
    return slice_losses(Slices(truth, names, columns), reference, guesses)


def _columns(path: Path | None, images: int) -> Mapping[str, list[str]]:
    """The columns of the table that prepare wrote, but for the images' own."""
    rows = read_table(path, "prepare")
    if rows and len(rows) != images:
        raise DataError(
            f"{path} is of another test set",
            received=f"{len(rows)} rows",
            expected=f"{images}, one for each image that was tested",
            fix="run prepare and evaluate again: `dvc repro`",
        )
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else {}) if name != "test_image"}
