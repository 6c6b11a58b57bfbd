"""Paired comparisons of agreement: over images, the draws' mean, with Holm's correction."""

from __future__ import annotations

import pytest

from benchmarks.zoo.comparing import agreement, comparisons
from tests.benchmarks.zoo.conftest import agreeing


def of(found, network, peer):
    return next(each for each in found if (each.network, each.peer) == (network, peer))


def test_only_images_that_one_side_has_wrong_count(result):
    found = of(comparisons(result["rows"]), "net0", "given_onnxruntime")
    assert found.difference == pytest.approx(0.001)
    assert found.low < 0 < found.high
    assert not found.worse


def test_a_clear_loss_is_worse_and_a_clear_win_is_not(spoilt):
    spoilt("given_nncf/onnxruntime", agreeing(0))
    result = spoilt("int8/onnxruntime", agreeing(40))
    assert of(comparisons(result["rows"]), "net0", "given_nncf").worse
    assert not of(comparisons(result["rows"]), "net1", "given_nncf").worse


def test_holm_asks_more_of_one_among_many(spoilt):
    result = spoilt("given_tflite/litert", agreeing(6))
    alone = [row for row in result["rows"] if row["network"] == "net0"]
    assert of(comparisons(alone), "net0", "given_tflite").p < 0.05 / 3
    assert of(comparisons(alone), "net0", "given_tflite").worse
    assert not of(comparisons(result["rows"]), "net0", "given_tflite").worse


def test_draws_of_one_image_do_not_count_as_several_images(result):
    one = [row for row in result["rows"] if row["draw"] == 0]
    assert of(comparisons(one), "net0", "given_nncf").p == of(comparisons(result["rows"]), "net0", "given_nncf").p


def test_agreement_is_the_mean_of_the_draws(result):
    result["rows"][0]["cells"]["int8/onnxruntime"]["agreement"] = 0.96
    assert agreement(result["rows"], "net0", "int8/onnxruntime") == pytest.approx((0.96 + 0.99 + 0.99) / 3)
    assert agreement(result["rows"], "net0", "fp8/onnxruntime") is None
