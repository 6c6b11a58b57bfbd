"""What sensitivity.csv and sensitivity.json hold: the effect of each source of quantization on the answers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from roundoff.results.checked import as_json, checked
from roundoff.results.values import Count, NotNegative, Share, about
from roundoff.results.versions import read_of_format
from roundoff.system.files import write_json, write_text
from roundoff.system.tables import read_table

FORMAT = 1
STAGE = "sensitivity"
Kind: TypeAlias = Literal["activation", "weight"]
JOINED = ";"
ADDS_BELOW, ADDS_WITHIN = 0.10, 0.10
"""Effects are said to add where the whole errs by less than this share, and the root of the sum of squares lies within
that share of it."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One source alone in 8 bits: what the logits err by beside FP32's, and how often the answer is FP32's.

    Errors are relative, root mean square; ends are of 95 % intervals over the images. `layer` and `node` are those
    that read it, `rank` its place by error, `rank_low` to `rank_high` the places that the images leave possible.
    `variance_share` is its part of the sum of squares. `without_…` are of the whole 8-bit graph with this source left
    in float; None: not measured.
    """

    source: str
    kind: Kind
    layer: str
    node: str
    rank: int
    rank_low: int
    rank_high: int
    error: float
    error_low: float
    error_high: float
    agreement: float
    agreement_low: float
    agreement_high: float
    variance_share: float
    without_error: float | None = None
    without_error_low: float | None = None
    without_error_high: float | None = None
    without_agreement: float | None = None
    without_agreement_low: float | None = None
    without_agreement_high: float | None = None

    @property
    def is_worst(self) -> bool:
        """Whether it clearly errs more than every other source."""
        return self.rank_high == 1


@dataclass(frozen=True, kw_only=True)
class Whole:
    """sensitivity.json: the graph with all sources on, and what it was measured on; without images nothing was."""

    images: Annotated[Count, about("held-out training images; 0: the stage was off")] = 0
    images_sha256: Annotated[str | None, about("SHA-256 of their pixels")] = None
    graph_sha256: Annotated[str | None, about("SHA-256 of the FP32 graph")] = None
    grid: Annotated[str | None, about("of the activations: int8, symmetric, or uint8")] = None
    sources: Annotated[Count, about("tensors in 8 bits")] = 0
    error: Annotated[NotNegative | None, about("relative error of the logits, all sources on")] = None
    error_low: Annotated[NotNegative | None, about("its interval's lower end")] = None
    error_high: Annotated[NotNegative | None, about("and its upper end")] = None
    agreement: Annotated[Share | None, about("share of FP32's answers, all sources on")] = None
    agreement_low: Annotated[Share | None, about("its interval's lower end")] = None
    agreement_high: Annotated[Share | None, about("and its upper end")] = None
    root_sum_squares: Annotated[NotNegative | None, about("√ of the sum of the single sources' squared errors")] = None

    @property
    def adds(self) -> bool:
        """Whether single effects tell the whole: they add as variances."""
        if self.error is None or self.root_sum_squares is None:
            return False
        return self.error < ADDS_BELOW and abs(self.root_sum_squares - self.error) <= ADDS_WITHIN * self.error


def write_effects(effects: Sequence[Effect], path: Path) -> None:
    """Write sensitivity.csv, its heading alone where nothing was measured; figures have six digits."""
    names = [field.name for field in fields(Effect)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for effect in effects:
        writer.writerow([_written(getattr(effect, name)) for name in names])
    write_text(path, text.getvalue())


def read_effects(path: Path | None) -> list[Effect]:
    """What `write_effects` wrote; none where there is no file."""
    rows = read_table(path, STAGE)
    lines = [{name: _read(name, text) for name, text in row.items()} for row in rows]
    return [checked(Effect, line, str(path), complete=False) for line in lines]


def write_whole(whole: Whole, path: Path) -> None:
    """Write sensitivity.json."""
    write_json(path, {"format": FORMAT, **as_json(whole)})


def read_whole(path: Path) -> Whole:
    """What `write_whole` wrote, of no images where there is no file; raises DataError."""
    return checked(Whole, read_of_format(path, FORMAT), str(path), complete=False) if path.exists() else Whole()


def _written(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def _read(name: str, text: str) -> object:
    if name in ("source", "kind", "layer", "node"):
        return text
    if not text:
        return None
    try:
        return int(text) if name.startswith("rank") else float(text)
    except ValueError:
        return text  # which `checked` refuses
