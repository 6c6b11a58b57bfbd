"""The report's section on layers: why a cell is not faster, with the layers named."""

from dataclasses import replace

import pytest

from roundoff.report.render.document import Bullets, Details, Heading, Page, Paragraph, Table
from roundoff.report.sections.layers import MOST_ROWS, layers_section
from roundoff.results.layers import CellLayers, LayerRow, Profile, Roofline, write_profile, write_rows
from roundoff.results.message import Words, message
from roundoff.results.sensitivity import Effect, write_effects
from roundoff.revisions.read import read_evidence
from tests.support.present import present

WORDS = Words("en")


def layer(precision, layer, kind, ms, role, computes_in="float32", macs=None):
    return LayerRow(
        backend="onnxruntime",
        precision=precision,
        layer=layer,
        nodes=(layer,),
        kind=kind,
        time_ms=10 * ms,
        average_ms=ms,
        median_ms=ms,
        percentage=10.0,
        macs=macs,
        role=role,
        computes_in=computes_in,
    )


FP32 = [layer("fp32", "stem", "Conv", 4.0, "product", macs=4_000_000), layer("fp32", "act", "Sigmoid", 1.0, "other")]
SLOW = [
    layer("int8", "stem/q", "QuantizeLinear", 3.0, "conversion", "float32"),
    layer("int8", "stem", "QLinearConv", 1.0, "product", "int8", macs=4_000_000),
    layer("int8", "logits", "Gemm", 1.5, "product", "float32"),
    layer("int8", "act", "Sigmoid", 1.0, "other"),
]


def told(rows, whole):
    layers = sum(row.median_ms for row in rows)
    return CellLayers(
        status="measured", device="cpu", runs=10, layers_ms=layers, whole_ms=whole, covered=layers / whole
    )


def section(run, profile, rows, language="en"):
    write_profile(profile, run.sources.metrics / "profile.json")
    write_rows(rows, run.sources.metrics / "layers.csv")
    page = Page()
    evidence = read_evidence(replace(run.sources, layers=run.sources.metrics / "layers.csv"), run.verdict())
    layers_section(page, evidence, Words(language))
    return page


def slow(**cells):
    given = {"fp32/onnxruntime": told(FP32, 5.1), "int8/onnxruntime": told(SLOW, 6.6), **cells}
    return Profile(platform="id", batch_size=32, cells=given, rooflines={"cpu": Roofline(macs_per_s={"int8": 8e9})})


def effect(node, error):
    """What one tensor costs that these nodes read."""
    return Effect(
        source=node,
        kind="weight",
        layer=node,
        node=node,
        rank=1,
        rank_low=1,
        rank_high=1,
        error=error,
        error_low=error,
        error_high=error,
        agreement=1.0,
        agreement_low=1.0,
        agreement_high=1.0,
        variance_share=0.5,
    )


def test_off_there_is_no_section(run):
    assert section(run, Profile(), []).blocks == []


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "en",
            "int8/onnxruntime takes 6.60 ms for 32 images and fp32/onnxruntime 5.10 ms: 0.77× as fast. "
            "Why it is not faster: conversions of types and layouts take 3.00 ms, FP32's 0 ms "
            "(longest: QuantizeLinear of stem/q).",
        ),
        ("ja", "速くならない理由：型とレイアウトの変換に 3.00 ms（FP32 は 0 ms）かかる"),
    ],
)
def test_an_int8_cell_that_is_slower_gets_its_reason(run, language, sentence):
    page = section(run, slow(), FP32 + SLOW, language)
    (bullets,) = [block for block in page.blocks if isinstance(block, Bullets)]
    assert sentence in bullets.items[0]


def test_its_parts_are_shares_of_the_run_with_the_layers_named(run):
    page = section(run, slow(), FP32 + SLOW)
    (bullets,) = [block for block in page.blocks if isinstance(block, Bullets)]
    assert "45\u00a0% in conversions, 23\u00a0%" in bullets.items[0]  # its layers were named as the reason
    assert "23\u00a0% in products left in float32 (Gemm of logits)" in bullets.items[0]
    assert "15\u00a0% in other layers (Sigmoid of act)" in bullets.items[0]


def test_layers_that_were_named_as_the_reason_are_not_named_again(run):
    """Conversions and other layers are reasons, and stand around a part that is none and names its own layer."""
    rows = [*SLOW[:3], layer("int8", "act", "Sigmoid", 3.0, "other")]
    (bullets,) = [
        block
        for block in section(run, slow(**{"int8/onnxruntime": told(rows, 8.6)}), FP32 + rows).blocks
        if isinstance(block, Bullets)
    ]
    assert bullets.items[0].count("Sigmoid of act") == 1
    assert "in products left in float32 (Gemm of logits)" in bullets.items[0]
    assert "35\u00a0% in other layers" in bullets.items[0]


def test_products_that_are_slower_than_fp32s_are_named_with_both_times(run):
    worse = [layer("int8", "stem", "Conv", 6.0, "product", "float32"), SLOW[3]]
    page = section(run, slow(**{"int8/onnxruntime": told(worse, 7.0)}), FP32 + worse)
    (bullets,) = [block for block in page.blocks if isinstance(block, Bullets)]
    assert "take 6.00 ms, FP32's 4.00 ms (most lost in stem: 6.00 against 4.00 ms)" in bullets.items[0]


def test_whether_layers_add_up_is_said(run):
    whole = slow()
    page = section(run, whole, FP32 + SLOW)
    assert any("add up to within 5\u00a0%" in each.text for each in page.blocks if isinstance(each, Paragraph))
    apart = slow(**{"int8/onnxruntime": told(SLOW, 13.0)})
    notes = [each.text for each in section(run, apart, FP32 + SLOW).blocks if isinstance(each, Paragraph)]
    assert any("do not add up" in text and "int8/onnxruntime to 50\u00a0%" in text for text in notes)


def test_the_slowest_layers_are_a_table_of_limited_length(run):
    many = [layer("int8", f"layer{n}", "Conv", 1.0 + n / 100, "product") for n in range(50)]
    page = section(run, slow(**{"int8/onnxruntime": told(many, 70.0)}), FP32 + many)
    slowest = [block for block in page.blocks if isinstance(block, Table)][1]
    assert len(slowest.rows) == 7 <= MOST_ROWS
    assert slowest.rows[2][1].text == "layer49"


def test_what_a_layer_costs_the_answers_stands_beside_its_time_in_8_bits(run):
    write_effects([effect("stem", 0.03), effect("stem;logits", 0.04)], present(run.sources.sensitivity))
    slowest = [block for block in section(run, slow(), FP32 + SLOW).blocks if isinstance(block, Table)][1]
    assert slowest.columns[-1] == "Error of its inputs"
    told = {(row[0].text, row[1].text): row[-1].text for row in slowest.rows}
    assert told["int8/onnxruntime", "stem"] == "5.00\u00a0%"
    assert told["int8/onnxruntime", "logits"] == "4.00\u00a0%"
    assert told["fp32/onnxruntime", "stem"] == told["int8/onnxruntime", "act"] == "–"


def test_cells_without_times_say_why(run):
    reason = message("no_layer_times", backend="Mine")
    page = section(run, slow(**{"int8/litert": CellLayers(status="unavailable", reason=reason)}), FP32 + SLOW)
    (details,) = [block for block in page.blocks if isinstance(block, Details)]
    (table,) = [block for block in details.blocks if isinstance(block, Table)]
    assert [field.text for field in table.rows[0]] == ["int8/litert", "the backend Mine has no times per layer"]


def test_the_plot_tells_its_figures_in_words(run):
    page = section(run, slow(), FP32 + SLOW)
    assert page.drawings.keys() == {"layers"}
    (heading,) = [block for block in page.blocks if isinstance(block, Heading)]
    assert heading.anchor == "layers"
    (figure,) = [block for block in page.blocks if type(block).__name__ == "Figure"]
    assert "int8/onnxruntime: 6.60 ms (products 15\u00a0%, products left wide 23\u00a0%" in figure.alt
