"""How a stage begins and ends, as a user starts it."""

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


def test_a_stage_by_hand_says_where_it_wrote(probe, tmp_path):
    done = probe("hydra.run.dir=by/hand")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "written: by/hand/platform.json, by/hand/build/checked.txt"
    assert (tmp_path / "by/hand/platform.json").is_file()


def test_a_stage_in_place_does_not(probe):
    assert probe("hydra.run.dir=.", "hydra.output_subdir=null").stdout == ""


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


def test_a_log_without_room_costs_nothing_but_itself(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    script = tmp_path / "stages/speaking.py"
    script.write_text(SPEAKING)
    full = "hydra.job_logging.handlers.file.filename=/dev/full"
    done = subprocess.run([sys.executable, str(script), full], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning: said" in done.stdout


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
