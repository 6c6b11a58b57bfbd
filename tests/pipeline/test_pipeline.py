import json
import os
import re
import signal
import time

import psutil
import pytest


def ran(output):
    return re.findall(r"Running stage '([^']+)'", output)


def test_every_cell_has_its_row(finished):
    for precision in ("fp32", "fp16", "int8"):
        metrics = finished.metrics(precision)
        for backend in ("tensorrt_rtx", "onnxruntime", "litert"):
            cell = metrics[backend]
            assert cell["status"] == "measured" or cell["reason"]


def test_measured_cells_beat_chance(finished):
    assert all(accuracy["top1_low"] > 0.15 for accuracy in finished.accuracies().values())


def test_report_names_every_measured_cell(finished):
    text = (finished.folder / "metrics" / "report.md").read_text()
    for words in ("onnxruntime", "litert", "fp32", "fp16", "int8"):
        assert words in text
    assert list((finished.folder / "metrics" / "plots").glob("*.png"))


def test_second_run_only_probes(finished):
    assert ran(finished.repro()) == ["probe"]


def test_changed_build_parameter_leaves_training_alone(finished):
    finished.params("backends.tensorrt_rtx.profiles=[[1,8,16]]")
    try:
        reruns = ran(finished.repro("--dry"))
    finally:
        finished.params()
    assert not {"prepare", "train", "export", "calibrate"} & set(reruns)
    assert {"build-fp32", "build-fp16", "build-int8", "evaluate"} <= set(reruns)


@pytest.mark.slow  # two more evaluations
def test_changed_precision_rebuilds_and_measures_it(finished):
    finished.params("precisions.int8.last_layer=true")
    try:
        assert ran(finished.repro()) == ["probe", "calibrate", "build-int8", "evaluate", "report"]
    finally:
        finished.params()
        finished.repro()  # for the tests that look at what the default settings gave


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "epoch"),
        ("model=resnet9", "resnet9"),
        pytest.param("train.epochs=many", "train.epochs", marks=pytest.mark.slow),
        ("evaluate.batch_sizes=[-1]", "correct evaluate.batch_sizes"),
    ],
)
def test_bad_setting_stops_before_any_stage_works(finished, override, message):
    before = (finished.folder / "dvc.lock").read_text()
    try:
        run = finished.dvc("exp", "run", "--temp", "-S", override)
    finally:
        finished.params()
    assert run.returncode != 0
    assert message in run.stdout + run.stderr
    assert set(ran(run.stdout)) <= {"probe"}
    assert (finished.folder / "dvc.lock").read_text() == before


@pytest.mark.slow  # trains twice more
def test_killed_runs_lose_nothing(make_project, finished):
    project = make_project()
    kill_within(project, "stages/train.py")
    kill_within(project, "stages/build.py")
    project.repro()
    assert project.accuracies() == finished.accuracies()


def kill_within(project, script):
    """Start `dvc repro` and kill it with all its children two seconds into a stage's script."""
    process = project.start("repro")
    deadline = time.monotonic() + 300
    while not any(script in " ".join(child.cmdline()) for child in alive_children(process.pid)):
        assert process.poll() is None, f"dvc repro ended before {script}"
        assert time.monotonic() < deadline, f"{script} did not start"
        time.sleep(0.1)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def alive_children(pid):
    for child in psutil.Process(pid).children(recursive=True):
        try:
            child.cmdline()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        yield child


def test_a_stage_run_by_hand_writes_to_a_folder_of_its_own(finished, tmp_path):
    before = (finished.folder / "platform.json").read_bytes()
    (finished.folder / "platform.json").write_text("{}")
    run = finished.python("stages/probe.py", f"hydra.run.dir={tmp_path}")
    kept, written = (finished.folder / "platform.json").read_text(), tmp_path / "platform.json"
    (finished.folder / "platform.json").write_bytes(before)
    assert run.returncode == 0, run.stderr
    assert kept == "{}"
    assert json.loads(written.read_text())["id"] == json.loads(before)["id"]
