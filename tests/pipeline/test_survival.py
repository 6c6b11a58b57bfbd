"""A stage that a signal ends says which and what to try; one that ends by itself is left alone."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

PROGRAM = """
import os, signal, sys, time
from roundoff.system.held_output import held_back_output
from roundoff.pipeline.survival import surviving

def main():
    {body}

surviving(main)
"""


def started(body):
    program = PROGRAM.format(body=textwrap.indent(textwrap.dedent(body), "    ").strip())
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", program], stdout=pipe, stderr=pipe, text=True)


def ended(body):
    process = started(body)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@pytest.mark.parametrize(("body", "code"), [("print('done')", 0), ("sys.exit(3)", 3), ("raise ValueError('why')", 1)])
def test_an_end_of_its_own_is_passed_on(body, code):
    found, output, errors = ended(body)
    assert found == code
    assert ("done" in output) == (code == 0)
    assert "ended by" not in errors


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stage_needs_no_standard_stream(tmp_path, closed):
    body = f"print('said'); print('told', file=sys.stderr); open({str(tmp_path / 'done')!r}, 'w').close()"
    program = PROGRAM.format(body=body)
    done = subprocess.run(["bash", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, program], capture_output=True)
    assert done.returncode == 0
    assert (tmp_path / "done").exists()
    assert done.stdout == (b"" if ">&-" in closed.split() else b"said\n")
    assert done.stderr == (b"" if "2>&-" in closed else b"told\n")


@pytest.mark.parametrize(("given", "code"), [(0, 1), (3, 3)])
def test_an_end_at_once_is_an_error_whatever_its_code(given, code):
    found, output, errors = ended(f"print('begun', flush=True); os._exit({given})")
    assert (found, output) == (code, "begun\n")
    assert "error: The stage was ended before its work was done" in errors
    assert f"exit code {given}" in errors


@pytest.mark.parametrize(
    ("name", "remedy"), [("SIGILL", "TF_ENABLE_ONEDNN_OPTS=0"), ("SIGKILL", "memory"), ("SIGSEGV", "report it")]
)
def test_a_death_by_a_signal_is_told_with_a_remedy(name, remedy):
    code, _, errors = ended(f"os.kill(os.getpid(), signal.{name})")
    assert code == 128 + signal.Signals[name]
    assert f"ended by {name}" in errors
    assert remedy in errors


def test_what_was_held_back_is_shown_after_a_death_only():
    held = """
        with held_back_output():
            os.write(2, b"what TensorFlow said")
            {end}
    """
    assert "what TensorFlow said" in ended(held.format(end="os.kill(os.getpid(), signal.SIGABRT)"))[2]
    assert "what TensorFlow said" not in ended(held.format(end="pass"))[2]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_request_to_end_reaches_the_stage_and_is_no_death(name):
    process = started("""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            print("here", flush=True)
            time.sleep(60)
        finally:
            print("tidied", flush=True)
    """)
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.Signals[name])
    output, errors = process.communicate(timeout=60)
    assert "tidied" in output
    assert process.returncode == 128 + signal.Signals[name]
    assert "ended by" not in errors


def test_a_stage_does_not_outlive_the_process_that_was_started():
    process = started("print(os.getpid(), flush=True); time.sleep(60)")
    assert int(process.stdout.readline()) != process.pid
    process.kill()
    process.communicate(timeout=60)  # its end: nobody holds the pipes any more


STARTER = """
import os, subprocess, sys
from pathlib import Path
name = "dvc repro"  # what stands for DVC has not the variable that it sets
process = subprocess.Popen({command}, env=os.environ | {{"DVC_STAGE": "train"}})
process.wait()
"""


HEEDING = """from pathlib import Path
from roundoff.system.stopping import heed_signals
heed_signals()
"""


def orphaned(tmp_path, shell):
    """Start a stage from another process, kill that once the stage is at work, and await the stage's end."""
    stage = PROGRAM.format(
        body="""try:
        print(os.getpid(), os.getppid(), flush=True)
        time.sleep(30)
    finally:
        Path("tidied").touch()"""
    )
    (tmp_path / "stage.py").write_text(HEEDING + stage)
    command = [sys.executable, "stage.py"]
    if shell:
        command = ["/bin/sh", "-c", f"{sys.executable} stage.py; true"]
    pipe = subprocess.PIPE
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER.format(command=command)],
        stdout=pipe,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
    )
    assert starter.stdout
    child, outer = map(int, starter.stdout.readline().split())
    starter.kill()
    starter.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(psutil.pid_exists(pid) for pid in (child, outer)):
        time.sleep(0.05)
    return [pid for pid in (child, outer) if psutil.pid_exists(pid)]


@pytest.mark.parametrize("shell", [False, True])
def test_a_stage_whose_dvc_is_killed_ends_tidily_though_a_shell_stands_between(tmp_path, shell):
    (tmp_path / "temporary").mkdir()
    assert orphaned(tmp_path, shell) == []
    assert (tmp_path / "tidied").exists()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_stage_by_hand_outlives_the_shell_that_started_it(tmp_path):
    body = "print(os.getpid(), flush=True); time.sleep(1.5); open('done', 'w').close()"
    (tmp_path / "stage.py").write_text(PROGRAM.format(body=body))
    command = ["/bin/sh", "-c", f"{sys.executable} stage.py & wait"]
    shell = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert shell.stdout
    shell.stdout.readline()
    shell.kill()
    shell.wait()
    shell.stdout.read()  # to the stage's end
    assert (tmp_path / "done").exists()


def test_a_stage_of_a_dvc_that_no_terminal_has_works(tmp_path):
    (tmp_path / "stage.py").write_text(PROGRAM.format(body="time.sleep(0.6); print('done')"))
    command = ["setsid", "nohup", sys.executable, "-c", STARTER.format(command=[sys.executable, "stage.py"])]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=tmp_path)
    assert run.stdout == "done\n"


def test_a_killed_stage_leaves_no_temporary_file(tmp_path):
    body = (
        "import tempfile; tempfile.mkdtemp(); print(len(os.listdir(sys.argv[1])), flush=True); os.kill(os.getpid(), 9)"
    )
    program = PROGRAM.format(body=body)
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program, tmp_path], env=environment, capture_output=True, text=True)
    assert run.stdout == "1\n"
    assert list(tmp_path.iterdir()) == []


def test_jobs_of_a_launcher_have_temporary_files_where_they_lie_for_all(tmp_path):
    program = PROGRAM.format(body="import tempfile; print(tempfile.gettempdir())")
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", program, "--multirun"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.stdout == f"{tmp_path}\n"


def test_a_signal_whose_exit_was_swallowed_before_it_ends_the_stage_all_the_same():
    program = """
import os, signal, weakref
from roundoff.system.stopping import heed_signals
from roundoff.pipeline.survival import surviving

heed_signals()
class Module: pass
module = Module()
kept = weakref.ref(module, lambda _: os.kill(os.getpid(), signal.SIGTERM) or sum(range(10**6)))
del module  # what its callback raises is ignored, as the import system's is
surviving(lambda: print("worked"))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (128 + signal.SIGTERM, "")
    assert "stopped by SIGTERM" in run.stderr
