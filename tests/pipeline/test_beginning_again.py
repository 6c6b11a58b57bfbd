"""A stage that a library's machine code ended begins again, without the work that it was at."""

import signal
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import os, signal, sys, time
from roundoff.pipeline.survival import surviving
from roundoff.system.at_work import EndedByLibrary, at_work

def one(name, end):
    try:
        with at_work(name):
            if end:
                os.kill(os.getpid(), end)
            print(name, "done", flush=True)
    except EndedByLibrary as error:
        print(name, error, flush=True)

def main():
    {body}

surviving(main)
"""


def ended(body, *arguments):
    program = PROGRAM.format(body=textwrap.indent(textwrap.dedent(body), "    ").strip())
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_work_that_a_crash_ended_is_left_out_and_the_rest_goes_on():
    code, output, errors = ended("""
        one("a/b", 0)
        one("c/d", signal.SIGSEGV)
        with at_work("around"):
            one("e/f", signal.SIGABRT)
        one("g/h", 0)
    """)
    assert code == 0
    lost = "a library's machine code failed and ended the process by"
    assert output[-4:] == ["a/b done", f"c/d {lost} SIGSEGV", f"e/f {lost} SIGABRT", "g/h done"]
    assert [line.split(":")[1] for line in errors.splitlines() if line.startswith("warning")] == [" c/d", " e/f"]
    assert "error" not in errors


@pytest.mark.parametrize("end", ["signal.SIGKILL", "signal.SIGBUS"])
def test_what_is_no_crash_of_a_library_ends_the_stage(end):
    code, output, errors = ended(f"one('a/b', {end})")
    assert (code > 128, output) == (True, [])
    assert "error: The stage was ended by" in errors


def test_a_crash_in_work_without_a_name_ends_the_stage():
    code, output, _ = ended("""
        one("a/b", 0)
        os.kill(os.getpid(), signal.SIGSEGV)
    """)
    assert (code, output) == (128 + signal.SIGSEGV, ["a/b done"])


def test_a_stage_that_was_to_stop_does_not_begin_again():
    code, output, errors = ended("""
        def crash(*_):
            os.kill(os.getpid(), signal.SIGABRT)
        signal.signal(signal.SIGTERM, crash)
        with at_work("a/b"):
            print("begun", flush=True)
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(30)
    """)
    assert (code, output) == (128 + signal.SIGABRT, ["begun"])
    assert "begins again" not in errors


def test_a_stage_begins_again_five_times_at_most():
    code, output, errors = ended("""
        for number in range(9):
            one(f"cell {number}", signal.SIGABRT)
    """)
    assert code == 128 + signal.SIGABRT
    assert len({line.split(" a library")[0] for line in output}) == 5
    assert errors.count("begins again") == 5
    assert "error: The stage was ended by SIGABRT" in errors


@pytest.mark.parametrize("asked", ["-m", "--multirun", "--multi", "hydra.mode=MULTIRUN"])
def test_a_sweep_does_not_begin_again(asked):
    code, _, errors = ended("one('a/b', signal.SIGSEGV)", asked)
    assert code == 128 + signal.SIGSEGV
    assert "begins again" not in errors
