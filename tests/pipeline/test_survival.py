"""A stage that a signal ends says which and what to try; one that ends by itself is left alone."""

import signal
import subprocess
import sys
import textwrap

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
