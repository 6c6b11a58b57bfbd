"""A bar is drawn on a terminal alone; elsewhere what draws it is not even imported."""

import os
import pty
import subprocess
import sys

CODE = """
import sys
from roundoff.system.progress import track
assert list(track([1, 2, 3], "counting")) == [1, 2, 3]
print("rich" in sys.modules)
"""


def test_without_a_terminal_nothing_is_drawn_or_imported():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("False\n", "")


def test_a_terminal_shows_the_bar():
    terminal, end = pty.openpty()
    try:
        run = subprocess.run([sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=end, text=True, check=True)
        shown = os.read(terminal, 100_000).decode()
    finally:
        os.close(terminal)
        os.close(end)
    assert run.stdout == "True\n"
    assert "counting" in shown
    assert "3/3" in shown
