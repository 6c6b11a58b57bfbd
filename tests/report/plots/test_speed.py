"""What the plots of speed may draw, and what their captions may say of it."""

from __future__ import annotations

import io
from dataclasses import replace

import matplotlib.colors
import matplotlib.image
import numpy as np
import pytest

from roundoff.report.plots.speed import front_line, latency_figure, whisker_ends
from roundoff.report.plots.style import colour_of
from roundoff.report.render.document import Figure, Page
from roundoff.report.sections.verdicts import verdict_section
from roundoff.results.message import Words
from tests.support.present import blocks_in, present

EN = Words("en")


def shorten(run, count: int) -> None:
    path = run.sources.timings / "int8" / "litert" / "batch_1.npz"
    samples = dict(np.load(path))
    np.savez(path, **(samples | {"device_ms": samples["device_ms"][:count]}))


@pytest.mark.parametrize(("runs", "ends"), [(662, (1, 99)), (661, (5, 95)), (129, (10, 90)), (63, (25, 75))])
def test_whiskers_end_at_percentiles_that_every_cell_has_runs_for(run, runs, ends):
    shorten(run, runs)
    evidence = run.evidence()
    assert whisker_ends(evidence, 1) == ends
    assert latency_figure(evidence, 1, EN) is not None
    assert whisker_ends(evidence, 32) == (1, 99)


def test_a_box_too_narrow_to_have_an_inside_is_seen(run):
    """A steady GPU: every run of every cell within a thousandth, and one cell far from the others."""
    cells = sorted((run.sources.timings).glob("*/*/batch_1.npz"))
    steady = np.linspace(0.9995, 1.0005, 1000)
    for number, path in enumerate(cells):
        np.savez(path, **(dict(np.load(path)) | {"device_ms": steady * (40 + number + 70 * (path == cells[-1]))}))
    evidence = run.evidence()
    drawing = present(latency_figure(evidence, 1, EN))
    pixels = (255 * matplotlib.image.imread(io.BytesIO(drawing.png))[..., :3]).round().astype(int)
    for name in dict.fromkeys(cell.precision for cell in evidence.measured):
        colour = [round(255 * part) for part in matplotlib.colors.to_rgb(colour_of(name))]
        tallest = (np.abs(pixels - colour).max(axis=2) < 40).sum(axis=0).max()
        assert tallest > 15, name  # of the 26 pixels that a box is high


def test_a_front_of_one_is_no_line(run):
    evidence = run.evidence()
    assert front_line(evidence, 1, ["int8/onnxruntime"]) == []
    assert front_line(evidence, 1, []) == []


def test_the_front_runs_from_fast_to_slow_and_upwards(run):
    line = front_line(run.evidence(), 1, [cell.key for cell in run.evidence().measured])
    assert len(line) > 1
    assert line == sorted(line)
    assert len({top1 for _, top1 in line}) == len(line)


@pytest.mark.parametrize(("front", "said"), [(["fp32/onnxruntime"], False), (None, True)])
def test_the_caption_speaks_of_the_front_where_there_is_a_line(run, front, said):
    evidence = run.evidence()
    names = front or [cell.key for cell in evidence.measured]
    evidence = replace(evidence, verdict=replace(evidence.verdict, front=names))
    page = Page()
    verdict_section(page, evidence, EN)
    figures = [block for block in blocks_in(page.blocks) if isinstance(block, Figure)]
    captions = [figure.caption for figure in figures if figure.name.startswith("pareto")]
    assert captions
    assert any("Dashed" in caption for caption in captions) == said
