"""A stage on a real disk that is full, out of inodes or read-only: a small one in memory, which only root may mount."""

import os
import subprocess
import sys

import pytest

from tests.support.places import ROOT

pytestmark = [
    pytest.mark.slow,  # runs stages
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk"),
]
IN_PLACE = ("hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout")


@pytest.fixture
def disk(tmp_path):
    """Mount a disk with these options; it goes with the test."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
        return place

    yield mount
    subprocess.run(["umount", str(place)], capture_output=True)


def probe(folder, **more):
    command = [sys.executable, str(ROOT / "stages/probe.py"), *IN_PLACE]
    return subprocess.run(command, cwd=folder, env=os.environ | more, capture_output=True, text=True)


def fill(place):
    with (place / "fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


@pytest.mark.parametrize(
    ("options", "spoil", "said"),
    [
        ("size=64k", fill, "no room is left on a disk"),
        ("size=1m,nr_inodes=3", lambda place: (place / "one").touch(), "no room is left on a disk"),
        (
            "size=1m",
            lambda place: subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True),
            "is no folder, or not writable",
        ),
    ],
    ids=["full", "inodes", "read-only"],
)
def test_what_cannot_be_written_is_told_and_what_was_there_stays(disk, options, spoil, said):
    place = disk(options)
    (place / "platform.json").write_text('{\n  "id": "before"')
    spoil(place)
    before = {path.name: path.stat().st_size for path in place.iterdir()}
    run = probe(place)
    assert run.returncode == 1
    assert said in run.stderr
    assert "  fix:      " in run.stderr
    assert "Traceback" not in run.stderr
    assert (place / "platform.json").read_text() == '{\n  "id": "before"'
    assert {path.name: path.stat().st_size for path in place.iterdir() if path.name != "build"} == before


def test_a_temporary_folder_without_room_is_told_or_another_is_taken(disk, tmp_path):
    place = disk("size=16k")
    fill(place)
    run = probe(tmp_path, TMPDIR=str(place))
    assert run.returncode == 0 or "no room is left" in run.stderr.splitlines()[0]
    assert "Traceback" not in run.stderr
