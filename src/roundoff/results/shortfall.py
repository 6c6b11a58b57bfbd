"""What keeps a cell, or one of its batch sizes, from being measured, and how everything else goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from roundoff.errors import ConfigError, GateError, MachineError, RoundoffError, Unavailable
from roundoff.results.build import BuildMetrics
from roundoff.results.cell import CellMetrics
from roundoff.results.message import Message, message, verbatim
from roundoff.system.at_work import EndedByLibrary
from roundoff.system.refusal import is_exhausted, words_of

OTHER_LIBRARY = "fix: try another version of that library, or leave this precision out for this backend"
NO_MEMORY = re.compile(r"out.?of.?memory|bad_alloc|failed to allocate memory|cannot allocate memory", re.IGNORECASE)


@dataclass(frozen=True)
class Shortfall:
    """Why something was not measured: it cannot run here (`unavailable`), or should and does not (`failed`).

    `reason` is in plain words; `detail` in the runtime's own, or what was received, expected and can be done, None
    where there is no more to say. `repeat_spread` is the relative difference of runs on one input, where it was seen.
    """

    status: Literal["unavailable", "failed"]
    reason: Message
    detail: str | None = None
    repeat_spread: float | None = None

    def rerun(self, stage: str) -> str | None:
        """The command that looks again, of a failure in `stage`, which DVC takes for done."""
        return f"dvc repro -f {stage}" if self.status == "failed" else None


def shortfall(doing: Message, error: Exception) -> Shortfall:
    """What an error raised while `doing` (a code such as `doing_test_set`) means for a cell."""
    if isinstance(error, Unavailable):
        return Shortfall("unavailable", _said(error.args[0] if error.args else "", error))
    if isinstance(error, RoundoffError):
        detail = f"received: {error.received}; expected: {error.expected}; fix: {error.fix}"
        spread = getattr(error, "repeat_spread", None)
        return Shortfall("failed", _said(error.what, error), encodable(detail), spread)
    if isinstance(error, EndedByLibrary):
        return Shortfall("failed", message("library_crashed", doing=doing, signal=error.signal.name), OTHER_LIBRARY)
    words = _printable(error)
    if isinstance(error, MemoryError) or NO_MEMORY.search(words) or getattr(error, "is_out_of_memory", False):
        return Shortfall("unavailable", message("no_memory", doing=doing, words=words or type(error).__name__))
    return Shortfall("failed", message("doing_failed", doing=doing), f"{type(error).__name__}: {words}")


def _said(words: object, error: Exception) -> Message:
    return (
        words if isinstance(words, Message) else verbatim(_printable(error) if words == "" else encodable(str(words)))
    )


def tolerated(
    doing: Message, record: Callable[[Shortfall], None], strict: bool = False
) -> AbstractContextManager[None, bool]:
    """Give what goes wrong inside to `record`, and go on behind it.

    A wrong setting, a machine that is used up (a full disk) and what ends a process (Ctrl-C) pass through, with
    `strict` a failure too, as a RoundoffError.
    """
    return _Tolerated(doing, record, strict)


def ends_all(error: Exception) -> bool:
    """Whether what went wrong is no single cell's, and would meet the others, too."""
    return isinstance(error, ConfigError | MachineError) or is_exhausted(error)


@dataclass(frozen=True)
class _Tolerated:
    """A class, since type checkers believe of a generator that it lets every error through."""

    doing: Message
    record: Callable[[Shortfall], None]
    strict: bool

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception) or ends_all(error):
            return False
        why = shortfall(self.doing, error)
        if self.strict and why.status == "failed":
            raise_strictly(why, error)
        self.record(why)
        return True


def raise_strictly(why: Shortfall, error: Exception) -> None:
    """Raise what was found as an error that a stage can print."""
    if isinstance(error, RoundoffError):
        raise error
    raise GateError(
        str(why.reason),
        received=why.detail,
        expected="no failure: `strict` is set",
        fix="mend it; with evaluate.strict=false (build.strict=false) a failed cell is a row, and the others go on",
    ) from error


def encodable(text: str) -> str:
    """`text` with what UTF-8 cannot hold replaced: no file is to be lost over a runtime's message."""
    return text.encode("utf-8", "backslashreplace").decode()


def _printable(error: Exception) -> str:
    return encodable(words_of(error)).strip()


class Told(Protocol):
    """What says of a cell, a batch size or a build what became of it."""

    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> Message | None: ...
    @property
    def rerun(self) -> str | None: ...


def failures(cells: Mapping[str, CellMetrics | BuildMetrics]) -> dict[str, Told]:
    """Each failed cell and batch size by name ("fp32/litert", "fp32/litert at batch size 1")."""
    failed: dict[str, Told] = {}
    for name, cell in cells.items():
        if cell.status == "failed":
            failed[name] = cell
        elif isinstance(cell, CellMetrics):
            failed |= {f"{name} at batch size {size}": batch for size, batch in cell.failed_batches.items()}
    return failed


def say_last(cells: Mapping[str, CellMetrics | BuildMetrics]) -> None:
    """Print what failed and how to try it again, as the last line of a stage that DVC takes for done."""
    failed = failures(cells)
    if failed:
        named = "; ".join(f"{name} ({each.reason})" for name, each in failed.items())
        again = " && ".join(dict.fromkeys(str(each.rerun) for each in failed.values()))
        print(f"failed: {named}. The rest stands. Once that is mended: {again}", flush=True)
