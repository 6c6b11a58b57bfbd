"""Fixtures of a finished run, which what reads it and what reports it share; and a browser."""

from tests.support.browser import chromium
from tests.support.run import pristine, run, written

__all__ = ["chromium", "pristine", "run", "written"]
