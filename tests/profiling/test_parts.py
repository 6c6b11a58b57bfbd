"""What a run consists of, by hand."""

from dataclasses import replace

import pytest

from roundoff.profiling.parts import breakdown, roof_ms, twin_ms
from roundoff.results.layers import CellLayers, LayerRow, Roofline
from tests.support.present import present

ROOF = Roofline(macs_per_s={"float32": 1e9, "int8": 4e9}, bytes_per_s=1e9)


def layer(kind, ms, role="other", computes_in="float32", nodes=(), **figures):
    return LayerRow(
        backend="b",
        precision="int8",
        layer=kind.lower(),
        nodes=nodes,
        kind=kind,
        time_ms=10 * ms,
        average_ms=ms,
        median_ms=ms,
        percentage=1.0,
        role=role,
        computes_in=computes_in,
        **figures,
    )


ROWS = [
    layer("QuantizeLinear", 1.0, "conversion"),
    layer("QLinearConv", 3.0, "product", "int8", ("conv",), macs=4_000_000),
    layer("MatMul", 2.0, "product", "float32", ("dense",), macs=1_000_000, moved_bytes=1_500_000),
    layer("Relu", 2.0),
]
TOLD = CellLayers(status="measured", device="cpu", runs=10, layers_ms=8.0, whole_ms=10.0, covered=0.8)


def broken(rows, told, bits, roofline):
    return present(breakdown(rows, told, bits, roofline))


def test_each_layer_is_in_one_part_and_the_rest_is_the_hosts():
    found = broken(ROWS, TOLD, 8, ROOF)
    assert {name: part.ms for name, part in found.parts.items()} == pytest.approx(
        {"product": 3.0, "wide": 2.0, "conversion": 1.0, "other": 2.0, "host": 2.0}
    )
    assert found.share("host") == pytest.approx(0.2)
    assert found.covered == pytest.approx(0.8)
    assert found.products.ms == pytest.approx(5.0)
    assert [row.kind for row in found.products.layers] == ["QLinearConv", "MatMul"]


def test_nothing_is_left_wide_by_a_precision_of_that_width():
    assert broken(ROWS, TOLD, 32, ROOF).parts["wide"].ms == 0
    assert broken(ROWS, TOLD, None, ROOF).parts["wide"].ms == 0


def test_a_sum_above_the_whole_run_leaves_nothing_for_the_host():
    told = CellLayers(status="measured", runs=10, layers_ms=16.0, whole_ms=10.0, covered=1.6)
    found = broken(ROWS, told, 8, None)
    assert found.parts["host"].ms == 0
    assert found.whole_ms == 10.0
    assert sum(part.ms for part in found.parts.values()) == pytest.approx(10.0)
    assert found.covered == 1.6
    assert found.roof_ms is None


def test_the_roof_is_the_longer_of_computing_and_moving_and_at_most_the_time_itself():
    assert roof_ms(ROWS[1], ROOF) == pytest.approx(1.0)
    assert roof_ms(ROWS[2], ROOF) == pytest.approx(1.5)
    assert roof_ms(layer("Relu", 2.0, moved_bytes=9_000_000), ROOF) == 2.0
    assert roof_ms(ROWS[3], ROOF) is None
    assert roof_ms(layer("MatMul", 2.0, "product", "float16", macs=1), ROOF) is None
    assert broken(ROWS, TOLD, 8, ROOF).roof_ms == pytest.approx(2.5)


def test_a_twin_is_what_stands_for_the_same_nodes():
    wide = [layer("Conv", 1.5, nodes=("conv", "relu")), layer("Gemm", 0.5, nodes=("dense",))]
    assert twin_ms(ROWS[1], wide) == 1.5
    assert twin_ms(ROWS[0], wide) is None
    named = layer("CONV_2D", 4.0, "product")
    assert twin_ms(named, [replace(named, median_ms=2.5, computes_in="int8"), layer("Conv", 1.0)]) == 2.5


def test_a_cell_without_times_has_no_breakdown():
    assert breakdown([], CellLayers(status="unavailable"), 8, ROOF) is None
