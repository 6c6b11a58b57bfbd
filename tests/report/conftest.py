"""Fixtures of a finished run, which what reads it and what reports it share; and a browser."""

import pytest

from roundoff.report.plots import batches, draws, drop, layers, model, sensitivity, speed
from roundoff.report.render.document import Drawing
from tests.support.browser import chromium
from tests.support.run import pristine, run, whole_report

__all__ = ["chromium", "pristine", "run", "whole_report"]

UNDRAWN = ("rules", "sections", "words")
PLOTS = (batches, draws, drop, layers, model, sensitivity, speed)


@pytest.fixture
def drawn():
    """A test that asks for it has real plots, wherever it stands."""


@pytest.fixture(autouse=True)
def _undrawn(request, monkeypatch):
    """Where words and tables are looked at, plots are not drawn."""
    if request.node.path.parent.name in UNDRAWN and "drawn" not in request.fixturenames:
        for module in PLOTS:
            monkeypatch.setattr(module, "draw", lambda plot, width, height: Drawing(png=b"", svg=b""))
