"""Rows kept as they are measured, a line of JSON each, so that a run that was cut short goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def journal_of(out: Path | None) -> Path | None:
    """Where the rows of the result `out` are kept meanwhile."""
    return out.with_name(f"{out.name}.rows") if out else None


def kept(journal: Path | None) -> list[Row]:
    """The rows of earlier runs."""
    lines = journal.read_text(encoding="utf-8").splitlines() if journal and journal.exists() else []
    return [json.loads(line) for line in lines]


def collected(rows: Iterable[Row], known: list[Row], journal: Path | None) -> list[Row]:
    """All rows; each that is not known is printed and kept as it comes."""
    every = []
    if journal:
        journal.parent.mkdir(parents=True, exist_ok=True)
    for row in rows:
        every.append(row)
        if row not in known:
            line = json.dumps(row)
            print(line, file=sys.stderr, flush=True)
            if journal:
                with journal.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")
    return every
