"""Figures that no run can have are refused as metrics are read."""

import json
from dataclasses import replace

import pytest

from roundoff.errors import DataError, RoundoffError
from roundoff.results.metrics import read_metrics, write_metrics
from roundoff.results.sound import faults
from tests.support.measured import UNAVAILABLE, batch, cell, metrics, timed
from tests.support.present import present

GOOD = cell(regressed=30, corrected=10)


def with_accuracy(**change):
    return replace(GOOD, accuracy=replace(present(GOOD.accuracy), **change))


@pytest.mark.parametrize("good", [GOOD, UNAVAILABLE, cell(regressed=500), timed(), cell(batches={1: batch(runs=0)})])
def test_figures_that_fit_have_no_faults(good):
    assert list(faults(good)) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (with_accuracy(correct=10_001), "10001 right"),
        (with_accuracy(nonfinite=5000), "5000 not finite"),
        (with_accuracy(top1=0.5), "top1 0.5"),
        (with_accuracy(top1_low=0.99), "top1"),
        (with_accuracy(drop_low=0.5), "interval of drop"),
        (with_accuracy(regressed=20_000), "regressed"),
        (with_accuracy(corrected=9_500), "corrected"),
        (replace(GOOD, accuracy=None), "no accuracy"),
        (replace(UNAVAILABLE, reason=None), "no reason why the cell is unavailable"),
        (with_accuracy(agreement_high=None), "an interval of agreement with one end"),
        (timed(device_p50_ms=None), "no device_p50_ms"),
        (timed(device_p50_low_ms=9.0), "batch_1"),
        (timed(end_to_end_p50_ms=99.0), "outside of its interval"),
        (timed(device_p50_ms=None, end_to_end_p50_ms=None), "no median of 500 runs"),
        (timed(status="failed"), "no reason why the batch size is failed"),
    ],
)
def test_a_figure_that_cannot_be_is_named(wrong, words):
    assert words in next(faults(wrong))


def test_metrics_of_before_may_lack_an_accuracy():
    assert list(faults(replace(GOOD, accuracy=None), complete=False)) == []


@pytest.fixture
def written(tmp_path):
    write_metrics(metrics(fp32__ort=cell(ms=2.0), int8__ort=GOOD), tmp_path)
    return tmp_path


def rewrite(folder, change, names=("fp32", "fp16", "int8", "more")):
    for name in names:
        content = json.loads((folder / f"{name}.json").read_text())
        change(content)
        (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "names", "words"),
    [
        (lambda c: c["ort"]["accuracy"].update(correct=10_001), ["int8"], r"int8\.json \(int8/ort\) holds what cannot"),
        (lambda c: c["ort"]["accuracy"].update(top1=float("nan")), ["int8"], "NaN is no number in JSON"),
        (lambda c: c.update({"a/b": c["ort"]}), ["int8"], "cannot name a folder"),
        (lambda c: c.update({"..": {}}), ["more"], None),
        (lambda c: c.update({"..": {"x": {}}}), ["more"], "cannot name a folder"),
        (lambda c: c.update(reference="fp32/nothing"), None, "which is no measured cell"),
        (lambda c: c["method"]["evaluate"].update(chance_margin="text"), None, "chance_margin"),
    ],
    ids=["correct", "NaN", "slash", "nothing in it", "dots", "reference", "setting"],
)
def test_a_file_with_what_cannot_be_is_refused(written, change, names, words):
    rewrite(written, change, names or ("fp32", "fp16", "int8", "more"))
    if words is None:
        read_metrics(written)
        return
    with pytest.raises(RoundoffError, match=f"(?s){words}"):
        read_metrics(written)


def test_the_error_says_what_to_do(written):
    rewrite(written, lambda c: c["ort"]["accuracy"].update(correct=10_001), ["int8"])
    with pytest.raises(DataError) as refused:
        read_metrics(written)
    assert "dvc repro -f STAGE" in refused.value.fix
    assert "10001 right and 0 not finite of 10000 answers" in str(refused.value.received)
