"""How a stage begins and ends, as a user starts it."""

import signal
import subprocess
import sys

import pytest

from tests.support.places import ROOT
from tests.support.tracing import TRACED


@pytest.fixture
def probe(tmp_path):
    """Run the stage probe in a folder of its own."""

    def run(*arguments):
        command = [sys.executable, str(ROOT / "stages/probe.py"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return run


@pytest.mark.slow  # a process for each
def test_a_stage_by_hand_says_where_it_wrote(probe, tmp_path):
    done = probe("hydra.run.dir=by/hand")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "written: by/hand/platform.json, by/hand/build/checked.txt"
    assert (tmp_path / "by/hand/platform.json").is_file()


@pytest.mark.slow  # a process for each
def test_a_stage_in_place_does_not(probe):
    assert probe("hydra.run.dir=.", "hydra.output_subdir=null").stdout == ""


@pytest.mark.slow  # a process for each
@pytest.mark.parametrize(
    ("place", "first"),
    [("x" * 300, "error: a path is too long"), ("by", "error: a folder stands where a file is needed")],
    ids=["long", "folder"],
)
def test_hydras_own_files_that_cannot_be_written_are_told(probe, tmp_path, place, first):
    (tmp_path / "by/probe.log").mkdir(parents=True)
    done = probe(f"hydra.run.dir={place}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == first
    assert TRACED or len(done.stderr.splitlines()) == 4


SPEAKING = """
import logging
from roundoff.pipeline.stage import stage

@stage
def main(cfg, workspace):
    logging.getLogger("spoken").warning("warning: said")
    return 0

main()
"""


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def of_its_own(folder, program):
    """Run a stage of one's own in `folder`."""
    (folder / "stages").mkdir()
    (folder / "conf").symlink_to(ROOT / "conf")
    (folder / "stages/own.py").write_text(program)
    command = [sys.executable, "stages/own.py"]

    def run(*settings):
        return subprocess.run([*command, *settings], cwd=folder, capture_output=True, text=True)

    return run


@pytest.mark.slow  # a process for each
def test_a_log_without_room_costs_nothing_but_itself(tmp_path):
    done = of_its_own(tmp_path, SPEAKING)("hydra.job_logging.handlers.file.filename=/dev/full")
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning: said" in done.stdout


ENDING = """
import os, signal, sys
from roundoff.system.stopping import heed_signals
from roundoff.pipeline.stage import stage
from roundoff.pipeline.survival import surviving

heed_signals()

@stage
def main(cfg, workspace):
    {body}

surviving(main)
"""


@pytest.mark.parametrize(
    ("body", "received"),
    [
        ("sys.exit(0)", "SystemExit(0) (/"),
        slow("os._exit(0)", "exit code 0, at once"),
        slow("sys.exit()", "SystemExit() (/"),
        slow("sys.exit('enough')", "SystemExit('enough') (/"),
        slow("raise KeyboardInterrupt", "KeyboardInterrupt() (/"),
        slow("raise GeneratorExit", "GeneratorExit() (/"),
    ],
)
def test_what_ends_a_stage_before_its_work_is_done_is_an_error(tmp_path, body, received):
    done = of_its_own(tmp_path, ENDING.format(body=body))()
    assert done.returncode == 1
    assert done.stderr.startswith("error: The stage was ended before its work was done\n")
    assert f"received: {received}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["SIGINT", slow("SIGTERM")])
def test_a_stage_that_is_stopped_ends_with_the_signals_code(tmp_path, name):
    done = of_its_own(tmp_path, ENDING.format(body=f"os.kill(os.getpid(), signal.{name})"))()
    assert done.returncode == 128 + signal.Signals[name]
    assert done.stderr.startswith(f"stopped by {name}")
    assert "error" not in done.stderr


@pytest.mark.slow  # a stage for each
@pytest.mark.parametrize(
    ("setting", "first", "fix"),
    [
        ("train.epoch=3", "error: unknown key train.epoch", "did you mean train.epochs?"),
        ("train.epochs=many", "error: wrong type of train.epochs", "conf/ has train.epochs=6"),
        (
            "evaluate.batch_sizes=3",
            "error: wrong type of evaluate.batch_sizes",
            "conf/ has evaluate.batch_sizes=[1,32]",
        ),
    ],
)
def test_an_error_is_four_lines_and_nothing_of_hydras(probe, setting, first, fix):
    done = probe(setting, "hydra.run.dir=.")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == first
    assert lines[-1].endswith(fix)
    assert TRACED or len(lines) == 4


@pytest.mark.slow  # two stages in a sweep
def test_a_sweep_says_which_job_failed(probe):
    done = probe("-m", "train.epochs=many,3", "hydra.sweep.dir=sweep")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "  job:      0 of the sweep (train.epochs=many)"
