"""Fixtures of a finished run, which what reads it and what reports it share."""

from tests.support.run import pristine, run

__all__ = ["pristine", "run"]
