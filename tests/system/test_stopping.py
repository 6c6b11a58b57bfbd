import signal
import subprocess
import sys
import time

import pytest

from roundoff.system.stopping import stopping
from tests.support.places import ROOT

SCRIPT = """
import sys, time
from pathlib import Path
from roundoff.system.files import whole_directory, whole_file
from roundoff.system.stopping import heed_signals, stopping

root, how = Path(sys.argv[1]), sys.argv[2]
heed_signals()
with stopping():
    with whole_directory(root / "out", lambda _: ["one"]) as folder, whole_file(root / "a.json") as file:
        (folder / "one").write_text("half")
        file.write_text("half")
        (root / "ready").touch()
        try:
            time.sleep(60)
        except SystemExit:
            if how == "made an error of":
                raise ValueError("out of a callback")
            raise
"""


@pytest.mark.parametrize("how", ["passed on", "made an error of"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_one_line_its_exit_code_and_what_was_there(tmp_path, number, code, how):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one").write_text("before")
    (tmp_path / "a.json").write_text("before")
    process = started(SCRIPT, tmp_path, how)
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert error.splitlines() == [
        f"stopped by {number.name}: nothing half-written stays, `dvc repro` goes on from here"
    ]
    assert (tmp_path / "out" / "one").read_text() == (tmp_path / "a.json").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "out", "ready"]


def test_a_signal_is_heeded_from_the_first_import_on(tmp_path):
    stage = ROOT / "stages/evaluate.py"
    (tmp_path / "hydra.py").write_text("import sys, time\nopen(sys.path[0] + '/ready', 'w')\ntime.sleep(60)\n")
    script = f"import runpy, sys\nsys.path.insert(0, sys.argv[1])\nrunpy.run_path({str(stage)!r}, run_name='__main__')"
    process = started(script, tmp_path)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error.count("\n")) == (130, 1)


def test_an_error_without_a_signal_passes_as_it_is():
    with pytest.raises(ValueError, match="x"), stopping():
        raise ValueError("x")


def started(script, root, *words):
    command = [sys.executable, "-c", script, str(root), *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (root / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process
