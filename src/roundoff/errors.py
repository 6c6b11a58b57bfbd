"""Errors that a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RoundoffError(Exception):
    """What went wrong, what was received, what was expected, and the fix.

    `what` is a sentence, or a message (`results.message`) where it may become the reason of a cell.
    """

    def __init__(self, what: object, *, received: object, expected: object, fix: str) -> None:
        self.what, self.received, self.expected, self.fix = what, received, expected, fix
        super().__init__(f"{what}\n  received: {received}\n  expected: {expected}\n  fix:      {fix}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Python's own would call the class with the message alone: a worker's error would end its whole pool
        notes = {"__notes__": self.__notes__} if hasattr(self, "__notes__") else None
        return _again, (type(self), self.what, str(self.received), str(self.expected), self.fix), notes


def _again(kind: type[RoundoffError], what: object, received: str, expected: str, fix: str) -> RoundoffError:
    return kind(what, received=received, expected=expected, fix=fix)


class ConfigError(RoundoffError):
    """A configuration value that no stage may start with."""


class DataError(RoundoffError):
    """A dataset that cannot be read as it is."""


class ExportError(RoundoffError):
    """A model that cannot become an ONNX graph."""


class CalibrationError(RoundoffError):
    """Calibration input or a calibration table that must not be used."""


class BuildError(RoundoffError):
    """A graph that should have become an engine and did not."""


class GateError(RoundoffError):
    """A measured result that fails a stated requirement, such as parity or chance level."""


class UnsteadyError(GateError):
    """Runs of one input that answer differently; `repeat_spread` is by how much, relative, where that is a number."""

    repeat_spread: float | None = None


class MachineError(RoundoffError):
    """Something that the operating system refuses: a full disk, a permission, a limit."""


class Unavailable(Exception):  # noqa: N818 - a state of the machine, not an error
    """A cell that cannot be built or run on this machine, and why: the reason shown in its row, a message or words."""


@contextmanager
def noted(words: str) -> Iterator[None]:
    """Add to what is raised where it happened; stages print it under the error."""
    try:
        yield
    except Exception as error:
        error.add_note(words)
        raise
