"""What libraries print is held back, and shown where they fail."""

import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from roundoff.system.held_output import held_back_libraries, held_back_output, last_words


def ended(body):
    program = textwrap.dedent(
        """
        import logging, os, sys, warnings
        from roundoff.system.held_output import held_back_libraries, held_back_output, last_words
        logging.basicConfig(stream=sys.stdout, format="[%(name)s] %(message)s", level=logging.INFO)
        """
    )
    command = [sys.executable, "-c", program + textwrap.dedent(body)]
    return subprocess.run(command, capture_output=True, text=True)


def test_machine_code_and_talkative_loggers_are_held_back_and_a_stages_own_words_are_not():
    done = ended(
        """
        with held_back_libraries():
            os.write(2, b"failed call to cuInit")
            logging.getLogger("absl").warning("absl says")
            logging.getLogger("tf2onnx.tfonnx").info("tf2onnx says")
            warnings.warn("a warning")
            logging.getLogger("roundoff.calibration").warning("warning: ours")
            logging.getLogger("mine").warning("of a plug-in")
            print("a bar", file=sys.stderr)
        print("after", file=sys.stderr)
        logging.getLogger("absl").warning("absl again")
        """
    )
    assert done.stderr == "a bar\nafter\n"
    assert done.stdout == "warning: ours\nof a plug-in\n[absl] absl again\n"


def test_what_was_held_back_can_be_shown():
    done = ended(
        """
        with held_back_libraries():
            os.write(2, b"why it failed\\n")
            logging.getLogger("keras").error("too")
        sys.stdout.write(last_words())
        """
    )
    assert done.stdout == "why it failed\nkeras: too\n"


def test_a_failure_inside_is_shown_beside_what_is_held_back_as_a_whole():
    done = ended(
        """
        with held_back_libraries():
            os.write(2, b"of no interest\\n")
            try:
                with held_back_output():
                    os.write(2, b"in machine code\\n")
                    os.write(1, b"on standard output\\n")
                    print("in Python", file=sys.stderr)
                    raise ValueError("no")
            except ValueError:
                pass
        """
    )
    assert set(done.stderr.splitlines()) == {"in machine code", "on standard output", "in Python"}
    assert done.stdout == ""


def test_a_line_is_said_once():
    done = ended(
        """
        with held_back_libraries():
            for _ in range(2):
                logging.getLogger("roundoff").warning("warning: once")
        """
    )
    assert done.stdout == "warning: once\n"


def test_descriptors_are_given_back():
    before, stream, handlers = (
        len(list(Path("/proc/self/fd").iterdir())),
        sys.stderr,
        list(logging.getLogger().handlers),
    )
    last_words()  # opens the file that stays
    opened = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(ValueError, match="no"), held_back_libraries(), held_back_output():
            raise ValueError("no")
    assert len(list(Path("/proc/self/fd").iterdir())) == opened <= before + 1
    assert sys.stderr is stream
    assert logging.getLogger().handlers == handlers


def test_a_stage_that_is_stopped_shows_nothing_of_it():
    done = ended(
        """
        with held_back_libraries(), held_back_output():
            os.write(2, b"in the middle of it")
            sys.exit(143)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "")
