"""Errors that a user can act on."""

from __future__ import annotations


class RoundoffError(Exception):
    """What went wrong, what was received, what was expected, and the fix."""

    def __init__(self, what: str, *, received: object, expected: object, fix: str) -> None:
        self.what, self.received, self.expected, self.fix = what, received, expected, fix
        super().__init__(f"{what}\n  received: {received}\n  expected: {expected}\n  fix:      {fix}")


class ConfigError(RoundoffError):
    """A configuration value that no stage may start with."""


class DataError(RoundoffError):
    """A dataset that cannot be read as it is."""


class CalibrationError(RoundoffError):
    """Calibration input or a calibration table that must not be used."""


class BuildError(RoundoffError):
    """A graph that should have become an engine and did not."""


class GateError(RoundoffError):
    """A measured result that fails a stated requirement, such as parity or chance level."""


class Unavailable(Exception):  # noqa: N818 - a state of the machine, not an error
    """A cell that cannot be built or run on this machine; the message is the reason shown in its row."""
