"""Fixtures of a finished run, which what reads it and what reports it share."""

from tests.support.run import pristine, run, written

__all__ = ["pristine", "run", "written"]
