"""The curves of training, written anew after each epoch: one CSV file, and a folder in DVCLive's format."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from roundoff.system import own
from roundoff.system.files import write_json, write_text

Row = Mapping[str, float]
COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
LIVE_NAMES = {
    "loss": "train/loss",
    "accuracy": "train/accuracy",
    "val_loss": "val/loss",
    "val_accuracy": "val/accuracy",
    "learning_rate": "learning_rate",
}
"""What DVCLive calls them: each is a file, with its step (the epoch) and its value."""


@dataclass(frozen=True)
class CurveFiles:
    """Where the curves go: `table` is a CSV file, `live` a folder as DVCLive writes it."""

    table: Path
    live: Path

    def write(self, rows: Sequence[Row]) -> None:
        """Write the epochs seen so far, each file atomically. Raises ConfigError where the folder holds other files."""
        write_text(self.table, _text(COLUMNS, rows, ","))
        own.refuse_foreign(self.live, own.live)
        for column, name in LIVE_NAMES.items():
            path = self.live / "plots" / "metrics" / f"{name}.tsv"
            steps = [{"step": row["epoch"], path.stem: row[column]} for row in rows]
            write_text(path, _text(("step", path.stem), steps, "\t"))
        write_json(self.live / "metrics.json", _last(rows[-1]) if rows else {})


def curve_row(epoch: int, logs: Mapping[str, float], learning_rate: float) -> dict[str, float]:
    """One row of the curves: Keras' figures of an epoch, and the learning rate of its last step."""
    figures = {key: float(logs[key]) for key in COLUMNS[1:-1]}
    return {"epoch": epoch, **figures, "learning_rate": learning_rate}


def _last(row: Row) -> dict[str, object]:
    """The newest figures, as DVCLive nests them."""
    step: dict[str, object] = {"step": row["epoch"], "learning_rate": row["learning_rate"]}
    for split, prefix in (("train", ""), ("val", "val_")):
        step[split] = {name: row[f"{prefix}{name}"] for name in ("loss", "accuracy")}
    return step


def _text(columns: Sequence[str], rows: Sequence[Row], delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
