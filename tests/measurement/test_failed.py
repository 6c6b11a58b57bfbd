"""A cell that should work and does not is a row, and everything else is measured."""

import json
import re
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest

from roundoff.errors import ConfigError, GateError, RoundoffError, UnsteadyError
from roundoff.measurement import bench, evaluate
from roundoff.measurement.output_check import check_outputs
from roundoff.precision.fp32 import Fp32
from roundoff.results.checked import as_json
from roundoff.results.message import message
from roundoff.results.metrics import read_metrics
from roundoff.results.shortfall import say_last, shortfall
from roundoff.system.files import read_json, write_json
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.cells import BACKENDS, QUICK, HalfWeights, OnGpus, build, network, prepare, run
from tests.support.faults import FAULTS, WHOLE, Broken
from tests.support.present import present

SOUND = "onnxruntime"
PLAN = replace(QUICK, aa_control=False)
SIZES = PLAN.batch_sizes
# what is kept of a fault that is no KernelError
WORDS = {
    "backwards": r"ValueError: \d+ runs have times that cannot be: \[-",
    "few_times": "ValueError: .* of shape",
    "layer_types": "TypeError: layer_types gives a dict",
    "no_binding": "AttributeError: 'NoneType'",
    "speechless": "SpeechlessError: no words that can be printed",
}


class Answers:
    """What the network answers; a process of its own makes a session of its own."""

    def __init__(self, graph):
        self.graph, self.session = graph, None

    def __call__(self, images):
        if self.session is None:
            self.session = ort.InferenceSession(self.graph, providers=["CPUExecutionProvider"])
        return self.session.run(["logits"], {"image": np.ascontiguousarray(images)})[0]

    def __reduce__(self):
        return Answers, (self.graph,)


@pytest.fixture(scope="module")
def answers():
    return Answers(network(trained=True).SerializeToString())


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """FP32 and FP16 built for a sound backend and one to be broken."""
    root = tmp_path_factory.mktemp("failed")
    prepare(root / "data")
    build(root, precisions={"fp32": Fp32()}, backends={SOUND: BACKENDS[SOUND], "broken": Broken()})
    return root


@pytest.fixture
def measure(project, answers):
    def measured(fault, at=(), plan=PLAN, **more):
        backend = Broken(answers=answers, fault=fault, at=at, **more)
        rows = run(project, plan, {SOUND: BACKENDS[SOUND], "broken": backend})
        assert backend.counts.open == 0
        return rows

    return measured


def whole(row):
    """A sound cell's row, with every figure."""
    return row.status == "measured" and all(row.batches[n].device_p50_ms > 0 for n in SIZES)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cell_that_breaks_is_a_row_and_the_others_are_whole(measure, project, fault):
    rows = measure(fault)
    row = rows["fp32/broken"]
    assert (row.status, str(row.reason), row.rerun) == ("failed", FAULTS[fault], "dvc repro -f evaluate")
    assert row.detail
    if FAULTS[fault].endswith(" failed"):
        assert re.match(WORDS.get(fault, "KernelError: .*code 719"), row.detail)
    assert whole(rows[f"fp32/{SOUND}"])
    written = read_json(project / "metrics/fp32.json")
    assert (written["broken"], written[SOUND]) == (as_json(row), as_json(rows[f"fp32/{SOUND}"]))
    verdict = decide(read_metrics(project / "metrics"), Target(min_relative_accuracy=0.9))
    assert verdict.cells["fp32/broken"].verdict == "fail"
    assert verdict.recommendations["fastest"].cell == f"fp32/{SOUND}"


@pytest.mark.slow  # an evaluation for each
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in (*WHOLE, "late_load")])
def test_a_batch_size_that_breaks_is_null_and_the_other_stands(measure, project, fault):
    rows = measure(fault, at=(1,))
    row = rows["fp32/broken"]
    assert row.status == "measured"
    assert row.batches[1].status == "failed"
    assert str(row.batches[1].reason) == FAULTS[fault]
    assert row.batches[1].rerun == "dvc repro -f evaluate"
    assert as_json(row.batches[1]).keys() == as_json(row.batches[4]).keys()
    assert row.batches[1].device_p50_ms is None
    assert row.batches[4].device_p50_ms > 0
    assert row.accuracy.samples == 200
    assert whole(rows[f"fp32/{SOUND}"])
    assert not (project / "timings/fp32/broken/batch_1.npz").exists()
    verdict = decide(read_metrics(project / "metrics"), Target(min_relative_accuracy=0.9))
    assert verdict.cells["fp32/broken"].verdict == "pass"
    fastest = verdict.recommendations["fastest"]
    assert (fastest.cell, fastest.failed, fastest.not_timed) == (f"fp32/{SOUND}", ["fp32/broken"], [])


@pytest.mark.slow  # an evaluation for each
@pytest.mark.parametrize("fault", FAULTS)
def test_strict_stops_at_the_first_failure(measure, project, fault):
    write_json(project / "metrics/fp32.json", {"before": fault})
    with pytest.raises(RoundoffError):
        measure(fault, plan=replace(QUICK, strict=True))
    assert read_json(project / "metrics/fp32.json") == {"before": fault}


def test_the_spread_of_ten_runs_is_in_every_row(measure):
    rows = measure("unsteady", at=(1,))
    found = rows["fp32/broken"].batches[1]
    assert found.repeat_spread == pytest.approx(1e-3, rel=0.05)
    assert "relative difference up to 0.001" in found.detail
    assert "at most 1.0e-05" in found.detail
    for batch in (rows["fp32/broken"].batches[4], rows[f"fp32/{SOUND}"].batches[1]):
        assert batch.repeat_spread <= batch.repeat_tolerance == 1e-5


def test_what_differs_in_the_control_alone_has_failed_in_its_twin_too(project, answers, monkeypatch):
    check, seen = check_outputs, []

    def second_time(cell, bound, *more):
        seen.append(bound.batch_size)
        if seen.count(1) == 2 and bound.batch_size == 1:
            raised = UnsteadyError("10 runs of one input differ", received=1, expected=2, fix="x")
            raised.repeat_spread = 0.05
            raise raised
        return check(cell, bound, *more)

    monkeypatch.setattr(bench, "check_outputs", second_time)
    row = run(project, QUICK, {SOUND: BACKENDS[SOUND]})[f"fp32/{SOUND}"]
    assert (row.batches[1].status, row.batches[1].repeat_spread) == ("failed", 0.05)
    assert row.batches[4].device_p50_ms > 0


def test_the_message_accuses_nobody_without_having_looked(measure):
    detail = measure("unsteady")["fp32/broken"].detail
    assert "the runtime itself is not deterministic here" in detail
    assert "driver" not in detail


def test_speed_ups_over_an_fp32_that_failed_are_null_with_the_reason(tmp_path, answers):
    sound = Broken(answers=answers)
    backends = {SOUND: BACKENDS[SOUND], "broken": sound}
    prepare(tmp_path / "data")
    build(tmp_path, precisions={"fp32": Fp32(), "fp16": HalfWeights()}, backends={**backends, "broken": Broken()})
    broken = {"fp32": replace(sound, fault="unsteady", at=(1,)), "fp16": sound}
    load = Broken.load
    by_precision = lambda self, directory: load(broken[directory.parent.name], directory)  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Broken, "load", by_precision)
        rows = run(tmp_path, backends=backends)
    batch = rows["fp16/broken"].batches[1]
    assert batch.speedup is batch.speedup_low is batch.end_to_end_speedup is None
    assert str(batch.speedup_reason) == "fp32/broken failed at batch size 1: 10 runs of one input differ"
    assert rows["fp16/broken"].batches[4].speedup > 0
    assert rows["fp16/broken"].batches[4].speedup_reason is None


def test_a_whole_fp32_that_failed_is_named_where_a_speed_up_is_missing(tmp_path, answers):
    backends = {SOUND: BACKENDS[SOUND], "broken": Broken()}
    prepare(tmp_path / "data")
    build(tmp_path, precisions={"fp32": Fp32(), "fp16": HalfWeights()}, backends=backends)
    (tmp_path / "engines/fp32/broken/model.bin").write_bytes(b"altered")
    rows = run(tmp_path, PLAN, {**backends, "broken": Broken(answers=answers)})
    assert rows["fp32/broken"].status == "failed"
    assert rows["fp16/broken"].batches[1].speedup is None
    assert str(rows["fp16/broken"].batches[1].speedup_reason).startswith("fp32/broken is failed: ")


def test_where_the_preferred_reference_breaks_the_next_fp32_is_it(project, answers, monkeypatch):
    def refused(self, directory):
        raise OSError("INVALID_GRAPH")

    monkeypatch.setattr(type(BACKENDS[SOUND]), "load", refused)
    rows = run(project, backends={SOUND: BACKENDS[SOUND], "broken": Broken(answers=answers)})
    assert rows[f"fp32/{SOUND}"].detail == "OSError: INVALID_GRAPH"
    assert read_json(project / "metrics/fp32.json")["reference"] == "fp32/broken"
    assert whole(rows["fp32/broken"])


@pytest.mark.parametrize("fault", ["load", "nan", "another_network"])
def test_without_any_fp32_it_is_an_error_that_names_what_became_of_each(project, answers, fault):
    write_json(project / "metrics/fp32.json", {"before": 1})
    with pytest.raises(GateError, match=r"no FP32 cell runs here(.|\n)*fp32/broken is failed"):
        run(project, backends={"broken": Broken(answers=answers, fault=fault)})
    assert read_json(project / "metrics/fp32.json") == {"before": 1}


@pytest.mark.parametrize("fault", ["bind", "late_run", "modes"])
def test_where_nothing_could_be_measured_the_metrics_of_before_stay(project, answers, fault):
    write_json(project / "metrics/fp32.json", {"before": 1})
    with pytest.raises(GateError, match=r"nothing could be measured(.|\n)*fp32/broken failed"):
        run(project, backends={"broken": Broken(answers=answers, fault=fault)})
    assert read_json(project / "metrics/fp32.json") == {"before": 1}


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc")])
def test_want_of_memory_is_no_failure(measure, monkeypatch, error):
    def full(self, batches):
        raise error

    monkeypatch.setattr("tests.support.faults.BrokenRunner.bind", full)
    row = measure("")["fp32/broken"]
    assert (row.status, row.batches[1].status, row.batches[1].rerun) == ("measured", "unavailable", None)
    assert str(row.batches[1].reason).startswith("no memory left for laying out its inputs")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ConfigError])
def test_what_ends_a_process_and_wrong_settings_pass_through(measure, monkeypatch, error):
    def ended(self, runs):
        raise ConfigError("no", received=1, expected=2, fix="x") if error is ConfigError else error

    monkeypatch.setattr("tests.support.faults.BrokenBinding.device_only", ended)
    with pytest.raises(error):
        measure("")


def test_energy_that_raises_is_a_reason(measure, monkeypatch):
    def lost(*arguments):
        raise RuntimeError("counter lost")

    monkeypatch.setattr(bench, "meter_for", lambda device: None)
    monkeypatch.setattr(bench, "energy_per_image", lost)
    rows = measure("")
    assert whole(rows["fp32/broken"])
    assert str(rows["fp32/broken"].energy.reason) == "measuring energy failed: RuntimeError: counter lost"


def test_a_broken_sidecar_is_a_row_that_says_what_to_build(project, measure):
    sidecar = project / "engines/fp32/broken/cell.json"
    before = sidecar.read_text()
    sidecar.write_text("{")
    try:
        row = measure("")["fp32/broken"]
    finally:
        sidecar.write_text(before)
    assert (row.status, row.rerun) == ("failed", "dvc repro -f build-fp32")


@pytest.mark.slow  # two processes that load every library
def test_shares_of_several_gpus_carry_failures(measure, monkeypatch):
    """Two names of one CPU stand for two GPUs."""
    monkeypatch.setattr(evaluate, "equal_gpus", lambda device, platform: ["first", "second"])
    monkeypatch.setitem(BACKENDS, SOUND, OnGpus(threads=1))
    rows = measure("bind", at=(1,))
    assert str(rows["fp32/broken"].batches[1].reason).startswith(f"{FAULTS['bind']} (on GPU ")
    assert rows["fp32/broken"].batches[4].device_p50_ms > 0
    assert whole(rows[f"fp32/{SOUND}"])


@pytest.mark.slow
def test_a_cell_that_ends_the_processes_of_two_gpus_is_a_row_and_the_others_are_timed(measure, monkeypatch):
    monkeypatch.setattr(evaluate, "equal_gpus", lambda device, platform: ["first", "second"])
    monkeypatch.setitem(BACKENDS, SOUND, OnGpus(threads=1))
    rows = measure("dies", at=(1,))
    assert {str(batch.reason) for batch in rows["fp32/broken"].batches.values()} == {"timing on GPU first failed"}
    assert rows["fp32/broken"].accuracy.samples == rows[f"fp32/{SOUND}"].accuracy.samples
    assert whole(rows[f"fp32/{SOUND}"])


def test_the_last_line_says_what_failed_and_how_to_try_again(measure, capsys):
    say_last(measure("late_run", at=(4,)))
    last = capsys.readouterr().out.splitlines()[-1]
    assert "fp32/broken at batch size 4 (a timed run failed)" in last
    assert last.endswith("dvc repro -f evaluate")
    say_last(measure(""))
    assert capsys.readouterr().out == ""


def test_words_that_no_file_can_hold_are_written_all_the_same():
    found = shortfall(message("doing_build"), RuntimeError("\udcff\x00"))
    assert json.dumps(as_json(found)).encode()
    assert present(found.detail).encode()
