"""Metrics files: what is written is read again, older files are understood, what cannot be is refused by name."""

import copy
import json
from typing import Any

import pytest

from roundoff.errors import DataError
from roundoff.results.build import BuildInfo, BuildMetrics
from roundoff.results.cell import Accuracy, Batch, CellMetrics, Energy, Numerics
from roundoff.results.checked import as_json
from roundoff.results.message import message
from roundoff.results.metrics import (
    FILES,
    FORMAT,
    builds_from,
    metrics_from,
    read_metrics,
    summary_from,
    verdict_from,
    write_builds,
    write_metrics,
    write_summary,
    write_verdict,
)
from roundoff.results.platform import Platform
from roundoff.results.run import AaControl, Conditions, Device, Method, Metrics
from roundoff.results.summary import Answer, BestCell, Summary
from roundoff.results.verdict import CellVerdict, Criterion, Recommendation, Requirements, SpeedVerdict, Verdict
from tests.support.measured import UNAVAILABLE, cell, metrics
from tests.support.places import ROOT
from tests.support.present import present

NOISY = message("noisy", cv=0.1)
MEASURED = CellMetrics(
    status="measured",
    notes=[message("rounded_only", total=2, counts=[message("layers_in", count=1, kind="float32")], named="int8")],
    size_mb=1.5,
    numerics=Numerics(relative_error=0.01, layer_types={"int8": 1}),
    accuracy=Accuracy(top1=0.9, top1_low=0.8, top1_high=0.95, samples=100, correct=90, nonfinite=0),
    load_ms=2.0,
    energy=Energy(reason=message("no_rapl", folder="/sys")),
    batches={1: Batch(status="measured", device_p50_ms=1.0, runs=9, warnings=[NOISY])},
)
DEVICE = Device(cells=["x"], conditions=Conditions(power_w=(1.0, 2.0)), aa_control=AaControl(cell="x"))
METHOD = Method(
    evaluate={"chance_margin": 0.05},
    chance=0.1,
    devices={
        "cpu": Device(cells=["fp32/x"], conditions=Conditions(power_w=(1.0, 2.0)), aa_control=AaControl(cell="x"))
    },
)
METRICS = Metrics(
    platform=Platform(id="abc"),
    reference="fp32/x",
    method=METHOD,
    cells={"fp32/x": MEASURED, "int8/x": CellMetrics(status="failed", reason=NOISY), "fp8/x": MEASURED},
)
OLD = ROOT / "results/h200/resnet50"


@pytest.fixture
def written(tmp_path):
    write_metrics(METRICS, tmp_path)
    return {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in FILES}


def test_what_is_written_is_read_again(tmp_path):
    write_metrics(METRICS, tmp_path)
    assert read_metrics(tmp_path) == METRICS


def test_nulls_are_kept_and_batch_sizes_stand_beside_the_other_keys(written):
    cell = written["fp32"]["x"]
    assert cell["memory_mb"] is None
    assert cell["batch_1"]["warnings"] == [{"code": "noisy", "values": {"cv": 0.1}}]
    assert written["more"]["fp8"]["x"] == cell


def test_a_verdict_and_builds_are_read_again(tmp_path):
    criterion = Criterion(name="min_relative_accuracy", verdict="undecided", limit=0.99, samples_needed=7)
    batches = {1: SpeedVerdict(speed=None, noise_floor=0.01)}
    verdict = Verdict(
        platform="abc",
        target=Requirements(min_relative_accuracy=0.99),
        cells={"fp32/x": CellVerdict(verdict="undecided", criteria=[criterion], batches=batches)},
        recommendations={"fastest": Recommendation(cell=None, undecided={"fp32/x": 7})},
    )
    write_verdict(verdict, tmp_path)
    assert verdict_from(json.loads((tmp_path / "verdict.json").read_text())) == verdict
    builds = {"x": BuildMetrics(status="built", build_s=1.0, build_info=BuildInfo(notes=[NOISY]), sha256={"a": "b"})}
    write_builds("fp32", builds, tmp_path)
    assert builds_from("build-fp32", json.loads((tmp_path / "build-fp32.json").read_text())) == builds


def test_a_summary_is_read_again_and_begins_with_the_answer(tmp_path):
    answer = Answer(ship="fp32/x", verdict={"fp32": "pass", "fp16": None})
    summary = Summary(answer=answer, precisions={"fp32": BestCell(top1=0.9, ms=1.0), "fp16": BestCell()})
    write_summary(summary, tmp_path)
    content = json.loads((tmp_path / "summary.json").read_text())
    assert list(content) == ["answer", "fp32", "fp16"]
    assert summary_from(content) == summary
    with pytest.raises(DataError, match=r"summary\.json \(fp32\) holds what cannot be\n.*top1"):
        summary_from(content | {"fp32": content["fp32"] | {"top1": 7}})


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("x", "accuracy", "top1"), 7, r"top1"),
        (("x", "accuracy", "top1"), float("nan"), r"top1"),
        (("x", "accuracy", "samples"), 0, r"samples"),
        (("x", "batch_1", "device_p50_ms"), -1.0, r"device_p50_ms"),
        (("x", "batch_1", "device_p50_ms"), "fast", r"device_p50_ms"),
        (("x", "size_mb"), -2, r"size_mb"),
        (("x", "status"), "broken", r"status"),
        (("x", "batch_1", "warnings"), ["noisy: much"], r"warnings"),
        (("method", "chance"), 2, r"chance"),
        (("method", "devices", "cpu", "waited_s"), -1, r"waited_s"),
    ],
)
def test_an_impossible_value_is_named(written, path, value, words):
    content = copy.deepcopy(written["fp32"])
    *inner, last = path
    owner = content
    for key in inner:
        owner = owner[key]
    owner[last] = value
    with pytest.raises(DataError, match=rf"fp32\.json.*holds what cannot be\n.*{words}"):
        metrics_from({"fp32": content})


@pytest.mark.parametrize(
    "path", [("x", "status"), ("x", "batch_1", "cv"), ("x", "accuracy", "drop"), ("method", "chance")]
)
def test_a_missing_key_is_named(written, path):
    content = copy.deepcopy(written["fp32"])
    *inner, last = path
    owner = content
    for key in inner:
        owner = owner[key]
    del owner[last]
    with pytest.raises(DataError, match=rf"fp32\.json(.|\n)*{last}"):
        metrics_from({"fp32": content})


def test_a_file_of_an_earlier_format_may_have_fewer_keys(written):
    content = {**written["fp32"], "format": FORMAT - 1, "x": {"status": "unavailable"}}
    assert metrics_from({"fp32": content}).cells["fp32/x"].numerics is None
    with pytest.raises(DataError, match="lacks a key"):
        metrics_from({"fp32": content | {"format": FORMAT}})


def test_a_file_of_a_newer_format_is_refused(written):
    with pytest.raises(DataError, match=r"fp32\.json has a format that this version(.|\n)*format 99"):
        metrics_from({"fp32": written["fp32"] | {"format": 99}})


@pytest.mark.parametrize("content", [[], "text", 3, None])
def test_what_is_no_object_is_refused(content):
    for read in (
        lambda: metrics_from({"fp32": content}),
        lambda: verdict_from(content),
        lambda: builds_from("b", content),
    ):
        with pytest.raises(DataError, match="is not what a stage wrote"):
            read()


def test_missing_metrics_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no fp32\.json in"):
        read_metrics(tmp_path)


def test_files_of_different_runs_are_refused(written):
    other = copy.deepcopy(written["int8"])
    other["platform"]["id"] = "def"
    with pytest.raises(DataError, match="come from different runs"):
        metrics_from({"fp32": written["fp32"], "int8": other})


def test_a_cell_or_a_batch_size_that_is_lost_is_named(written):
    lost = copy.deepcopy(written)
    del lost["more"]["fp8"]["x"]["batch_1"]
    lost["more"]["fp8"]["x"]["batch_2"] = written["fp32"]["x"]["batch_1"]
    with pytest.raises(DataError, match="without batch_2, which others have"):
        metrics_from(lost)
    for content in (lost := copy.deepcopy(written)).values():
        content["method"]["devices"]["cpu"]["cells"].append("fp16/x")
    with pytest.raises(DataError, match="no cell fp16/x, which was timed"):
        metrics_from(lost)


def test_files_without_a_format_are_understood():
    metrics = read_metrics(OLD)
    old = json.loads((OLD / "fp16.json").read_text())["tensorrt_rtx"]
    cell = metrics.cells["fp16/tensorrt_rtx"]
    assert "format" not in json.loads((OLD / "fp16.json").read_text())
    assert present(cell.accuracy).relative_accuracy == old["accuracy"]["kept"]
    assert cell.batches[32].device_p50_ms == old["batch_32"]["device_p50_ms"]
    assert cell.batches[32].cv == old["batch_32"]["variation"]
    assert cell.batches[32].binding_info.cuda_graph is old["batch_32"]["facts"]["cuda_graph"]
    assert cell.effective_precision == old["label"]
    assert metrics.method.evaluate["input_buffers"] == 4


@pytest.mark.parametrize("text", ["noisy: single runs vary by 45.0%", "host-bound: enqueueing takes 1 ms", "new words"])
def test_a_warning_of_before_has_its_code_by_its_first_words(text):
    figures = {"status": "measured", "variation": 0.45, "device_p50_ms": 1.0, "facts": {"enqueue_ms": 1.0}, "runs": 1}
    head: dict[str, Any] = {"platform": {}, "reference": None, "method": {}}
    cell = {"status": "measured", "batch_1": figures | {"warnings": [text]}}
    (warning,) = metrics_from({"fp32": {**head, "x": cell}}).cells["fp32/x"].batches[1].warnings
    expected = {"n": ("noisy", {"cv": 0.45}), "h": ("host_bound", {"enqueue_ms": 1.0, "device_ms": 1.0})}
    code = expected[text[0]] if text != "new words" else ("verbatim", {"text": "new words"})
    assert (warning.code, warning.values) == code


def test_as_json_leaves_plain_values_alone():
    assert as_json({"a": [1, None, ("b",)]}) == {"a": [1, None, ["b"]]}


@pytest.mark.parametrize("spoilt", [{"method": 3}, {"x": 3}, {"x": {"status": 3}}, {"platform": 1}, {"reference": 2}])
def test_a_file_that_no_stage_wrote_is_refused_whatever_its_format(written, spoilt):
    for version in ({"format": 4}, {"format": 3}, {"format": None}):
        with pytest.raises(DataError, match=r"fp32\.json"):
            metrics_from({"fp32": written["fp32"] | version | spoilt})


def test_the_fastest_cell_at_a_batch_size_is_by_its_median():
    found = metrics(fp32__ort=cell(ms=2.0), int8__ort=cell(ms=0.5), int8__rtx=UNAVAILABLE)
    assert found.fastest_ms(1) == 0.5
    assert found.fastest_ms(32) is None
