import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.support.tracing import TRACED


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


def test_the_summary_says_what_the_metrics_say(finished):
    summary, accuracies = finished.metrics("summary"), finished.accuracies()
    for precision in ("fp32", "fp16", "int8"):
        best = summary[precision]
        assert best["top1"] == accuracies[precision, best["backend"]]["top1"]
        assert summary["answer"]["verdict"][precision] in ("pass", "undecided", "fail")


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


def test_a_docstring_of_the_report_reruns_the_report_alone(finished):
    module = finished.folder / "src/roundoff/report/sections/notes.py"
    before = module.read_text()
    module.write_text(before.replace('"""', '"""Said otherwise: ', 1))
    try:
        assert ran(finished.repro("--dry")) == ["probe", "report"]
    finally:
        module.write_text(before)


def test_a_further_precision_is_a_stage_more(finished):
    finished.params("precision=[fp32,fp16,int8,bf16]")
    try:
        # nothing is trained or calibrated; the report follows as soon as there are other metrics
        assert sorted(ran(finished.repro("--dry"))) == ["build-more@bf16", "evaluate", "probe", "profile"]
    finally:
        finished.params()


def test_changed_precision_rebuilds_and_measures_it(finished):
    finished.params("precisions.int8.last_layer=true")
    try:
        rerun = {"probe", "calibrate", "sensitivity", "build-int8", "profile", "evaluate", "report"}
        assert set(ran(finished.repro())) == rerun
    finally:
        finished.params()
        finished.repro()  # for the tests that look at what the default settings gave


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "epoch"),
        ("model=resnet9", "resnet9"),
        ("build.more=[bf16]", "say precision=[fp32,fp16,int8,bf16]"),
        ("train.epochs=many", "train.epochs"),
        ("evaluate.batch_sizes=[-1]", "conf/ has evaluate.batch_sizes=[1,32]"),
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


def test_killed_runs_lose_nothing(make_project, finished):
    project = make_project()
    kill_within(project, "stages/train.py")
    kill_within(project, "stages/build.py")
    project.mended()
    project.repro()
    assert project.accuracies() == finished.accuracies()


def kill_within(project, script):
    """Start `dvc repro` and kill it with all its children two seconds into a stage's script.

    A script that is done by then may leave DVC at dvc.lock, which it writes in place.
    """
    process = project.start("repro")
    wait_for(process, script)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(process, script):
    """Until a stage's script runs below `process`; the process of the script."""
    deadline = time.monotonic() + 900
    while True:
        for child in alive_children(process.pid):
            if script in child.cmdline():
                return child
        assert process.poll() is None, f"dvc repro ended before {script}"
        assert time.monotonic() < deadline, f"{script} did not start"
        time.sleep(0.1)


def wait_until_heard(pid):
    """Until the process heeds signals, which it does before anything else.

    SIGTERM's handler tells: it is the last to be set, and Python itself has one for SIGINT.
    """
    deadline = time.monotonic() + 60
    while not _caught(pid) >> (signal.SIGTERM - 1) & 1:
        assert time.monotonic() < deadline, "signals are not heeded"
        time.sleep(0.02)


def _caught(pid):
    """Linux's mask of the signals that a process handles itself."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("SigCgt:")), 16)


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


def test_building_again_changes_no_engine(finished):
    finished.repro("-f", "-s", "build-fp32", "build-fp16", "build-int8")
    status = json.loads(finished.dvc("status", "--json").stdout)
    assert set(status) <= {"probe", "report"}
    assert "engines" not in json.dumps(status)
    finished.repro()  # the report tells build times


@pytest.mark.parametrize(
    ("number", "seconds"),
    [
        (signal.SIGINT, 6),
        (signal.SIGTERM, 0),
        (signal.SIGINT, 0),
        (signal.SIGTERM, 6),
    ],
)
def test_a_stopped_evaluation_loses_nothing(finished, number, seconds):
    before = outputs(finished)
    finished.params("evaluate.min_seconds=60")  # it is to be at work when the signal comes
    try:
        process = finished.start("repro", "-f", "-s", "evaluate")
        stage = wait_for(process, "stages/evaluate.py")
        wait_until_heard(stage.pid)
        time.sleep(seconds)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            stage.send_signal(number)
        assert process.wait(timeout=120) != 0
    finally:
        finished.params()
    said = finished.said.read_text()
    assert f"exited with {128 + number}" in said
    assert said.count("stopped by") == 1
    assert TRACED or "Traceback" not in said
    assert outputs(finished) == before
    assert not list(finished.folder.glob("[!.]*/**/.partial*"))
    assert ran(finished.repro()) == ["probe"]


def outputs(project):
    folders = [project.folder / name for name in ("metrics", "data/predictions", "data/timings")]
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_a_clean_clone_pulls_what_it_needs_and_keeps_the_metrics(finished, tmp_path):
    assert finished.dvc("remote", "add", "-q", "-d", "-f", "kept", str(tmp_path / "remote")).returncode == 0
    # `dvc exp run` leaves git an index that takes a new file for an old one of the same size
    (finished.folder / ".git/index").unlink()
    finished.git("add", "-A")
    finished.git("commit", "-qm", "finished", "--allow-empty")
    assert finished.dvc("push", "-q").returncode == 0
    twin = finished.clone(tmp_path / "clone")
    for words in (("--dry", "--allow-missing"), ("--pull", "--allow-missing")):
        assert ran(twin.repro(*words)) == ["probe"]
        assert twin.changed() == ""
    run = twin.dvc("repro", "-f", "-s", "evaluate")  # with neither data nor engines
    assert run.returncode != 0
    assert twin.changed() == ""
    assert twin.dvc("pull", "-q").returncode == 0
    assert ran(twin.repro()) == ["probe"]
    assert twin.changed() == ""


def test_a_release_gives_a_stranger_the_published_figures(finished, tmp_path):
    (finished.folder / ".git/index").unlink()
    finished.git("add", "-A")
    finished.git("commit", "-qm", "finished", "--allow-empty")
    made = finished.python("-m", "roundoff.revisions.release", str(tmp_path / "release"))
    assert made.returncode == 0, made.stdout + made.stderr
    words = ("clone", "-q", "-b", "release", str(tmp_path / "release/roundoff.bundle"), str(tmp_path / "stranger"))
    finished.git(*words)
    stranger = finished.twin(tmp_path / "stranger")
    assert stranger.dvc("remote", "add", "-q", "--local", "-d", "release", "../release/remote").returncode == 0
    assert stranger.dvc("pull", "-q").returncode == 0
    assert ran(stranger.repro("-f", "-s", "report")) == ["report"]
    assert stranger.changed() == ""
    assert ran(stranger.repro()) == ["probe"]
    assert stranger.changed() == ""
    assert stranger.accuracies() == finished.accuracies()


@pytest.mark.parametrize(
    ("inside", "target"),
    [
        pytest.param(True, (), marks=pytest.mark.slow),
        (False, ("prepare",)),
        pytest.param(True, ("prepare",), marks=pytest.mark.slow),
        pytest.param(False, (), marks=pytest.mark.slow),
    ],
)
def test_a_path_that_holds_something_else_stops_dvc_before_it_removes_anything(finished, tmp_path, inside, target):
    folder = finished.folder / "mine" if inside else tmp_path
    folder.mkdir(exist_ok=True)
    (folder / "notes.txt").write_text("kept")
    finished.params(f"paths.prepared={'mine' if inside else folder}")
    try:
        run = finished.dvc("repro", *target)
    finally:
        finished.params()
    assert run.returncode != 0
    assert ran(run.stdout) == ["probe"]
    assert "which holds notes.txt" in run.stdout + run.stderr
    assert (folder / "notes.txt").read_text() == "kept"
    shutil.rmtree(folder)
