"""The calibration benchmark's verdict on a result: every target can be missed, and none is met unmeasured."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from benchmarks import sources
from benchmarks.calibration import measures, peers
from benchmarks.calibration.recipes import few_threads
from benchmarks.calibration.targets import agreements, tables, targets
from tests.support.calibration import network, pictures

PLAN = {
    "models": ["net"],
    "default": "roundoff entropy",
    "seeds": 1,
    "recipes": {"net": ["roundoff entropy", "modelopt max"]},
}


def result(agreement=0.99, peer=0.98, drop_high=0.003, ratio=2.0, entropy_mb=120.0, entropy_16k_mb=121.0):
    drops = {"drop": 0.001, "drop_high": drop_high}
    rows = [
        {"model": "net", "runtime": runtime, "seed": 0, "recipe": recipe, "agreement": value, **drops}
        for runtime in ("onnxruntime", "openvino")
        for recipe, value in (("roundoff entropy", agreement), ("modelopt max", peer))
    ]
    costs = {
        "forward pass, 4096 images": (1.0, 100.0),
        "roundoff entropy, 4096 images": (ratio, entropy_mb),
        "roundoff entropy, 320 images": (0.4, 119.0),
        "roundoff entropy, 16384 images": (8.0, entropy_16k_mb),
        "onnxruntime entropy, 4096 images": (20.0, 3700.0),
    }
    medians = {name: {"seconds": seconds, "peak_mb": peak} for name, (seconds, peak) in costs.items()}
    return {
        **PLAN,
        "accuracy": rows,
        "not_run": [],
        "cost": {"seconds_over": {"forward pass": 1 / ratio, "onnxruntime entropy": 20 / ratio}, "medians": medians},
    }


def missed(**changes):
    return [words for words, met in targets(result(**changes)).items() if not met]


def test_a_good_result_meets_every_target():
    assert missed() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"agreement": 0.96, "peer": 0.9}, "agreement 0.9600 is at least 0.97"),
        ({"drop_high": 0.006}, "0.60 points, is at most 0.5"),
        ({"peer": 0.995}, "0.9900 is not below modelopt max (0.9950)"),
        ({"ratio": 2.6}, "entropy takes 2.60 times a forward pass"),
        ({"ratio": 4.0}, "5.0 times faster"),
        ({"entropy_mb": 170.0}, "entropy takes 70 MB above a forward pass"),
        ({"entropy_mb": 200.0}, "36 times smaller"),
        ({"entropy_16k_mb": 140.0}, "memory grows by 21 MB"),
    ],
)
def test_each_target_can_be_missed_and_says_by_how_much(changes, words):
    assert any(words in told for told in missed(**changes))


def test_a_run_that_was_cut_short_is_told_and_compares_what_all_recipes_have():
    short = result() | {"seeds": 2}
    short["accuracy"].append(short["accuracy"][0] | {"seed": 1, "agreement": 0.5})
    assert agreements(short, "net", "onnxruntime") == {"roundoff entropy": 0.99, "modelopt max": 0.98}
    assert targets(short)["net on onnxruntime: 3 of 4 measurements were made"] is False
    assert "net, onnxruntime (1 of 2 seeds)" in tables(short)


def test_nothing_measured_meets_nothing():
    met = targets(PLAN)
    assert len(met) == 13
    assert not any(met.values())


def test_tables_show_every_recipe_and_mark_the_default():
    text = tables(result())
    assert "| **roundoff entropy** (default) | 0.9900 | 0.9900 |" in text
    assert "| modelopt max | 0.9800 | 0.9800 |" in text
    assert "| onnxruntime entropy, 4096 images | 20.0 | 10.0 | 3600 |" in text
    assert "| roundoff entropy, 320 images | 0.4 | – | 19 |" in text


@pytest.mark.parametrize(
    ("changes", "unmet", "code"),
    [({}, "", 0), ({"not_run": ["modelopt max"]}, "modelopt max was not run", 1), ({"seeds": 2}, "measurements", 1)],
)
def test_the_program_fails_where_a_target_is_missed_or_a_peer_was_not_run(
    monkeypatch, capsys, tmp_path, changes, unmet, code
):
    monkeypatch.setattr(peers, "measured", lambda chosen: result() | changes)
    arguments = ["--prepared", "p", "--models", "net=m.onnx", "--out", str(tmp_path / "out.json")]
    assert peers.main([*arguments, "--check"]) == code
    assert unmet in capsys.readouterr().err
    assert peers.main(arguments) == 0
    assert json.loads((tmp_path / "out.json").read_text())["not_run"] == changes.get("not_run", [])


def test_costs_are_compared_round_by_round(monkeypatch):
    slow = iter([1, 1, 10, 10, 2, 2])
    monkeypatch.setattr(measures, "ROUNDS", 3)
    monkeypatch.setattr(
        measures,
        "in_own_process",
        lambda name, count, *_: (
            {"seconds": next(slow) * (3 if name == "a" else 1), "cpu_seconds": 1, "peak_mb": 1}
            if count == 4096
            else {"seconds": 0, "cpu_seconds": 0, "peak_mb": 0}
        ),
    )
    cost = measures.measure_cost(Path("m"), Path("p"), ["a", "roundoff entropy"])
    assert cost["seconds_over"] == {"a": 3, "roundoff entropy": 1}
    assert [sample["seconds"] for sample in cost["samples"]["a, 4096 images"]] == [3, 30, 6]


def test_rows_are_measured_again_once_the_code_has_changed(monkeypatch, tmp_path):
    onnx.save(network(), tmp_path / "net.onnx")
    images, labels = pictures(4, 0), np.zeros(4, np.int64)
    monkeypatch.setattr(measures, "_test", lambda *_: (images, labels))
    monkeypatch.setattr(measures.Accuracy, "_quantized", lambda *_: ({"seconds": 1.0}, network()))
    plan = measures.Accuracy(tmp_path, {"net": ["roundoff entropy"]}, ["onnxruntime"], 1, 32, 4)
    rows = list(plan.run({"net": tmp_path / "net.onnx"}, []))
    assert rows[0]["agreement"] == 1
    assert rows[0]["code_sha256"] == measures.code_sha256()
    monkeypatch.setattr(measures.Accuracy, "_quantized", None)
    assert list(plan.run({"net": tmp_path / "net.onnx"}, rows)) == rows
    monkeypatch.setattr(measures, "code_sha256", lambda: "other code")
    with pytest.raises(TypeError, match="not callable"):
        list(plan.run({"net": tmp_path / "net.onnx"}, rows))


def test_rows_are_of_other_code_when_any_module_of_calibration_precision_or_graph_changes(monkeypatch, tmp_path):
    modules = ["calibration/base.py", "calibration/observing/observe.py", "precision/rewriting/qdq.py", "graph/grid.py"]
    for name in modules:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    monkeypatch.setattr(sources, "roundoff", SimpleNamespace(__file__=str(tmp_path / "__init__.py")))
    seen = {measures.code_sha256()}
    for name in modules:
        (tmp_path / name).write_text("after")
        seen.add(measures.code_sha256())
    assert len(seen) == 1 + len(modules)


def test_a_part_that_was_not_asked_for_is_not_missed():
    asked = dict.fromkeys(("models", "seeds", "recipes", "default")) | {"models": ["resnet8"], "parts": ["cost"]}
    assert all("entropy" in target or "memory" in target for target in targets(asked))


@pytest.mark.parametrize(("processors", "threads"), [({0}, 1), ({0, 1, 2, 3}, 0)])
def test_sessions_of_a_job_have_as_many_threads_as_the_job_has_processors(monkeypatch, processors, threads):
    class Session:
        def __init__(self, model, sess_options=None, providers=None):
            self.threads = sess_options.intra_op_num_threads if sess_options else 0

    fake = SimpleNamespace(InferenceSession=Session, SessionOptions=lambda: SimpleNamespace(intra_op_num_threads=0))
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: processors)
    for _ in range(2):
        few_threads(fake)
    assert fake.InferenceSession("m").threads == threads
    assert fake.InferenceSession("m", SimpleNamespace(intra_op_num_threads=7), providers=[]).threads == 7
