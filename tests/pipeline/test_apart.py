"""Work in a process of its own: its result, its errors and its end arrive here; its memory and its modules do not."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from roundoff.errors import ExportError
from roundoff.pipeline import apart as module
from roundoff.pipeline.apart import apart

PROGRAM = """
import os, signal, sys, time
from roundoff.pipeline.apart import apart
from roundoff.pipeline.survival import surviving
from roundoff.system.stopping import heed_signals

heed_signals()

def work():
    {body}

surviving(lambda: apart(work))
"""


@pytest.fixture(autouse=True)
def _no_library_with_threads(monkeypatch):
    monkeypatch.setattr(module, "THREADED", ())


def started(body):
    program = PROGRAM.format(body=textwrap.indent(textwrap.dedent(body), "    ").strip())
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def test_the_result_comes_from_another_process_that_has_ended():
    number, result = apart(lambda: (os.getpid(), [1, "two"]))
    assert (number != os.getpid(), result) == (True, [1, "two"])
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_where_a_library_has_threads_already_the_work_is_done_here(monkeypatch):
    monkeypatch.setattr(module, "THREADED", ("os",))
    assert apart(os.getpid) == os.getpid()


def test_an_error_in_words_arrives_as_it_is():
    def refuses():
        error = ExportError("no", received="this", expected="that", fix="do")
        error.add_note("seen here")
        raise error

    with pytest.raises(ExportError, match=r"no\n  received: this") as raised:
        apart(refuses)
    assert raised.value.__notes__ == ["seen here"]


def test_an_error_that_nobody_expected_tells_where_it_happened():
    class OwnError(Exception):  # pickle finds no class inside a function
        pass

    def fails():
        raise OwnError("why")

    with pytest.raises(RuntimeError, match=r"in fails(.|\n)*OwnError: why"):
        apart(fails)


def test_a_death_by_a_signal_is_told_as_if_it_were_the_stages():
    process = started("os.kill(os.getpid(), signal.SIGILL)")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGILL
    assert "ended by SIGILL" in errors
    assert "TF_ENABLE_ONEDNN_OPTS=0" in errors


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("group", [True, False])  # as a terminal's Ctrl-C does, or to the first process alone
def test_a_request_to_stop_lets_the_work_undo_what_is_open_and_is_told_once(name, group):
    process = started("""
        try:
            print("here", flush=True)
            time.sleep(60)
        finally:
            time.sleep(0.3)
            print("tidied", flush=True)
    """)
    assert process.stdout.readline() == "here\n"
    (os.killpg if group else os.kill)(process.pid, signal.Signals[name])
    output, errors = process.communicate(timeout=60)
    assert "tidied" in output
    assert process.returncode == 128 + signal.Signals[name]
    assert errors.count("stopped by") == 1


def test_the_work_does_not_outlive_the_process_that_was_started():
    process = started("print('here', flush=True); time.sleep(60)")
    assert process.stdout.readline() == "here\n"
    process.kill()
    process.communicate(timeout=60)  # its end: nobody holds the pipes any more
