"""Lines over the batch sizes, and what a million images cost."""

import pytest

from roundoff.errors import ConfigError
from roundoff.report.plots.batches import over_batches, series_of
from roundoff.report.render.document import Page, Table
from roundoff.report.report import Report
from roundoff.report.sections.batches import batches_section, cost_section, costs
from roundoff.results.message import Words
from tests.support.present import blocks_in, present

EN = Words("en")


def test_a_line_has_the_figures_and_their_intervals(run):
    cell = present(run.evidence().cell("int8/litert"))
    batch = cell.batches[32]
    assert series_of(cell, "throughput")[1] == (
        32,
        batch.throughput_per_s,
        batch.throughput_low_per_s,
        batch.throughput_high_per_s,
    )
    assert series_of(cell, "speedup")[0] == (
        1,
        cell.batches[1].speedup,
        cell.batches[1].speedup_low,
        cell.batches[1].speedup_high,
    )


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.usefixtures("drawn")
def test_the_plot_says_its_scales_and_its_words_in_the_language(run, language):
    words = Words(language)
    drawn = present(over_batches(run.evidence(), "throughput", words)).svg.decode()
    for text in (words("title_throughput"), words("axis", label=words("axis_batch"), scale=words("scale_log"))):
        assert text in drawn


def test_the_alternative_text_has_the_result(run):
    page = Page()
    batches_section(page, run.evidence(), EN)
    best = present(run.evidence().cell("int8/onnxruntime")).batches[32].throughput_per_s
    alts = [getattr(block, "alt", "") for block in blocks_in(page.blocks)]
    assert any(f"int8 / onnxruntime {best:,.0f} images/s at batch size 32" in alt for alt in alts)


def test_one_batch_size_makes_no_line(run):
    for name in ("fp32", "fp16", "int8"):
        run.rewrite(name, lambda content: [content[backend].pop("batch_32") for backend in ("onnxruntime", "litert")])
    page = Page()
    batches_section(page, run.evidence(), EN)
    assert page.blocks == []


def test_a_million_images_cost_the_hours_that_they_take(run):
    found = costs(run.evidence(), price_per_hour=7.2)
    first = found[0]
    assert first.cell.key == "int8/onnxruntime"
    assert first.price == pytest.approx(7.2 / 3600 * 1e6 / first.throughput)
    assert [cost.price for cost in found] == sorted(cost.price for cost in found)


def test_costs_are_shown_where_the_machine_has_a_price(run):
    page = Page()
    cost_section(page, run.evidence(), None, EN)
    assert page.blocks == []
    cost_section(page, run.evidence(), 7.2, EN)
    table = next(block for block in page.blocks if isinstance(block, Table))
    assert len(table.rows) == 6
    assert any(row[2].text == "100\u00a0%" for row in table.rows)


@pytest.mark.parametrize("price", [0, -1.0, float("inf"), float("nan")])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(ConfigError, match=r"report\.price_per_hour is out of range"):
        Report(price_per_hour=price)
