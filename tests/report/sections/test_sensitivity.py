"""What the report says of the tensors that cost the answers."""

from dataclasses import replace

import pytest

from roundoff.report.render.document import Bullets, Details, Figure, Page, Table
from roundoff.report.sections.sensitivity import sensitivity_section
from roundoff.results.message import Words
from roundoff.results.sensitivity import Effect, Whole, write_effects, write_whole

EN = Words("en")
WHOLE = Whole(images=512, grid="uint8", sources=3, error=0.05, error_low=0.04, error_high=0.06, root_sum_squares=0.051)


def effect(rank, low, high, error):
    return Effect(
        source=f"block{rank}/Relu",
        kind="activation",
        layer=f"conv{rank}",
        node=f"conv{rank}/Conv",
        rank=rank,
        rank_low=low,
        rank_high=high,
        error=error,
        error_low=0.9 * error,
        error_high=1.1 * error,
        agreement=0.99,
        agreement_low=0.98,
        agreement_high=0.995,
        variance_share=error**2 / 0.0026,
    )


CLEAR = [effect(1, 1, 1, 0.045), effect(2, 2, 3, 0.02), effect(3, 2, 3, 0.015)]
UNCLEAR = [effect(1, 1, 2, 0.045), effect(2, 1, 3, 0.04), effect(3, 2, 3, 0.01)]


def section(run, effects, whole=WHOLE, words=EN):
    write_effects(effects, run.sources.sensitivity)
    write_whole(whole, run.sources.metrics / "sensitivity.json")
    page = Page()
    sensitivity_section(page, run.evidence(), words)
    return page


def sentences(page):
    return next(block for block in page.blocks if isinstance(block, Bullets)).items


def test_the_clearly_worst_tensor_is_called_so(run):
    worst, _ = sentences(section(run, CLEAR))
    assert worst == (
        "Most costs block1/Relu (read by conv1): by itself it makes the logits err by 4.50\u00a0% (4.0–5.0), "
        "78\u00a0% of the sum of all variances. It is clearly the worst."
    )


def test_where_none_is_clearly_the_worst_those_that_may_be_are_named(run):
    worst, _ = sentences(section(run, UNCLEAR))
    assert worst.startswith("No tensor is proven to be the worst: 2 of 3 may be (block1/Relu, block2/Relu).")


@pytest.mark.parametrize(
    ("whole", "says"),
    [(WHOLE, "Effects add as variances"), (replace(WHOLE, error=0.2), "Effects do not add here")],
)
def test_it_is_said_whether_effects_add(run, whole, says):
    assert sentences(section(run, CLEAR, whole))[1].startswith(says)


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.usefixtures("drawn")
def test_every_tensor_is_in_the_table_and_the_plot_is_drawn(run, language):
    page = section(run, CLEAR, words=Words(language))
    table = next(block for block in page.blocks if isinstance(block, Details)).blocks[0]
    assert isinstance(table, Table)
    assert [fields[0].text for fields in table.rows] == ["block1/Relu", "block2/Relu", "block3/Relu"]
    assert [fields[3].text for fields in table.rows] == ["1", "2–3", "2–3"]
    assert any(isinstance(block, Figure) for block in page.blocks)
    assert page.drawings["sensitivity"].png.startswith(b"\x89PNG")


def test_where_nothing_was_measured_nothing_is_said(run):
    assert section(run, [], Whole()).blocks == []
