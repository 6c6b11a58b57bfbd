"""What keeps a cell, or one of its batch sizes, from being measured, and how everything else goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from roundoff.errors import ConfigError, GateError, RoundoffError, Unavailable

NO_MEMORY = re.compile(r"out.?of.?memory|bad_alloc|failed to allocate memory|cannot allocate memory", re.IGNORECASE)


@dataclass(frozen=True)
class Shortfall:
    """Why something was not measured: it cannot run here (`unavailable`), or should and does not (`failed`).

    `reason` is in plain words; `detail` in the runtime's own, or what was received, expected and can be done, None
    where there is no more to say. `repeat_spread` is the relative difference of runs on one input, where it was seen.
    """

    status: Literal["unavailable", "failed"]
    reason: str
    detail: str | None = None
    repeat_spread: float | None = None

    def row(self, rerun: str) -> dict[str, str | None]:
        """The keys of a row; `rerun` is the stage that looks again, which DVC takes for done."""
        again = f"dvc repro -f {rerun}" if self.status == "failed" else None
        return {"status": self.status, "reason": self.reason, "detail": self.detail, "rerun": again}


def shortfall(doing: str, error: Exception) -> Shortfall:
    """What an error raised while `doing` ("running the test set") means for a row."""
    if isinstance(error, Unavailable):
        return Shortfall("unavailable", _printable(error))
    if isinstance(error, RoundoffError):
        detail = f"received: {error.received}; expected: {error.expected}; fix: {error.fix}"
        return Shortfall("failed", encodable(error.what), encodable(detail), getattr(error, "repeat_spread", None))
    words = _printable(error)
    if isinstance(error, MemoryError) or NO_MEMORY.search(words) or getattr(error, "is_out_of_memory", False):
        return Shortfall("unavailable", f"no memory left for {doing}: {words or type(error).__name__}")
    return Shortfall("failed", f"{doing} failed", f"{type(error).__name__}: {words}")


def tolerated(
    doing: str, record: Callable[[Shortfall], None], strict: bool = False
) -> AbstractContextManager[None, bool]:
    """Give what goes wrong inside to `record`, and go on behind it.

    A wrong setting and what ends a process (Ctrl-C) pass through, with `strict` a failure too, as a RoundoffError.
    """
    return _Tolerated(doing, record, strict)


@dataclass(frozen=True)
class _Tolerated:
    """A class, since type checkers believe of a generator that it lets every error through."""

    doing: str
    record: Callable[[Shortfall], None]
    strict: bool

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception) or isinstance(error, ConfigError):
            return False
        found = shortfall(self.doing, error)
        if self.strict and found.status == "failed":
            raise_strictly(found, error)
        self.record(found)
        return True


def raise_strictly(found: Shortfall, error: Exception) -> None:
    """Raise what was found as an error that a stage can print."""
    if isinstance(error, RoundoffError):
        raise error
    raise GateError(
        found.reason,
        received=found.detail,
        expected="no failure: `strict` is set",
        fix="mend it; with evaluate.strict=false (build.strict=false) a failed cell is a row, and the others go on",
    ) from error


def encodable(text: str) -> str:
    """`text` with what UTF-8 cannot hold replaced: no file is to be lost over a runtime's message."""
    return text.encode("utf-8", "backslashreplace").decode()


def _printable(error: Exception) -> str:
    try:
        return encodable(str(error)).strip()
    except Exception:  # of a foreign library anything may come
        return "no words that can be printed"


def failures(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Each failed cell and batch size by name ("fp32/litert", "fp32/litert at batch size 1")."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, row in rows.items():
        if row.get("status") == "failed":
            found[name] = row
            continue
        sizes = [key for key in row if key.startswith("batch_") and (row[key] or {}).get("status") == "failed"]
        found |= {f"{name} at batch size {key.removeprefix('batch_')}": row[key] for key in sizes}
    return found


def say_last(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what failed and how to try it again, as the last line of a stage that DVC takes for done."""
    found = failures(rows)
    if found:
        named = "; ".join(f"{name} ({row['reason']})" for name, row in found.items())
        again = " && ".join(dict.fromkeys(str(row["rerun"]) for row in found.values()))
        print(f"failed: {named}. The rest stands. Once that is mended: {again}", flush=True)
