"""The zoo's verdict on a result: every target can be missed, and none is met unmeasured."""

from __future__ import annotations

import pytest

from benchmarks.zoo.targets import calibrator_ratios, litert_gaps, targets
from tests.benchmarks.zoo.conftest import agreeing


def missed(result):
    return [words for words, met in targets(result).items() if not met]


def test_a_good_result_meets_every_target(result):
    assert missed(result) == []


def test_a_result_of_nothing_misses_what_is_asked_of_all(result):
    words = " ".join(missed(result | {"rows": []}))
    assert "0 networks were tried" in words
    assert "0.00 times FP32's speed in the median" in words
    assert "error is inf times" in words


@pytest.mark.parametrize(
    ("cell", "changes", "networks", "words"),
    [
        ("int8/onnxruntime", {"inner_in_8_bits": 10}, 1, "net0: 10 layers in 8 bits, quantize_static's 11"),
        ("int8/onnxruntime", {"inner_in_8_bits": None}, 1, "net0: None layers in 8 bits, quantize_static's 11"),
        ("int8/onnxruntime", agreeing(40), 1, "net0: agreement is not below quantize_static's: -2.90 points"),
        ("given_tflite/litert", agreeing(0), 1, "no network agrees clearly less often than a peer's (but net0 than"),
        ("int8/litert", agreeing(17), 4, "but for net0 by 0.0070, net1 by 0.0070, net2 by 0.0070, net3 by 0.0070"),
    ],
)
def test_a_cell_that_falls_behind_is_named(spoilt, cell, changes, networks, words):
    found = missed(spoilt(cell, changes, networks))
    assert any(words in each for each in found), found


def test_the_last_layer_and_products_without_a_weight_may_stay_in_float(spoilt):
    assert missed(spoilt("int8/onnxruntime", {"in_8_bits": 7})) == []


def test_three_networks_may_fall_behind_on_litert(spoilt):
    assert not any("LiteRT agrees" in each for each in missed(spoilt("int8/litert", agreeing(17), 3)))


@pytest.mark.parametrize(
    ("key", "cell", "ends", "words"),
    [
        ("over_quantize_static", None, [0.9, 0.87, 0.94], "net0: 0.90 (up to 0.94) of quantize_static's speed"),
        ("over_fp32", "int8/onnxruntime", [0.8, 0.7, 0.9], "net0: INT8 has 0.80 times FP32's speed at batch 1"),
    ],
)
def test_a_speed_that_falls_behind_is_named(result, key, cell, ends, words):
    first = result["rows"][0]
    (first["speed"][key][cell] if cell else first["speed"][key])["1"] = ends
    first["cells"]["int8/onnxruntime"]["conversions"] = None
    assert any(words in each for each in missed(result))


def test_a_slow_int8_that_gives_its_counts_is_let_pass(result):
    result["rows"][0]["speed"]["over_fp32"]["int8/onnxruntime"]["1"] = [0.8, 0.7, 0.9]
    assert missed(result) == []


def test_the_default_calibrator_may_be_far_from_the_best_nowhere(result):
    result["rows"][0]["calibrators"]["black"] = {"mse": 0.014, "best": 0.01}
    assert calibrator_ratios(result["rows"])["net0, black"] == pytest.approx(1.4)
    assert any("1.40 times it at worst (net0, black)" in each for each in missed(result))


def test_a_peer_that_is_not_installed_and_a_network_that_failed_are_told(result):
    result["rows"][0]["refused"] = {"given_nncf": "nncf is not installed"}
    result["rows"][1] = {"network": "net0", "draw": 1, "failed": "export: exit code 1"}
    words = " ".join(missed(result))
    assert "given_nncf: nncf is not installed" in words
    assert "71 of 72 rows were measured (failed: net0 (export: exit code 1))" in words


def test_a_network_without_litert_has_no_gap(result):
    for row in result["rows"][:3]:
        row["cells"]["int8/litert"] = {"status": "unavailable"}
    assert "net0" not in litert_gaps(result["rows"])
