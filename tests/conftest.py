"""What all tests have around them: nothing that they or their processes write outlives them or keeps others waiting."""

import gc
import os
import signal
import tempfile

import pytest

from roundoff.system.lock_file import ELSEWHERE

SLOW = {"finished", "copy_finished", "whole_report"}
"""What makes each test slow that asks for it: all stages of a job, and whole reports."""


def pytest_configure(config):
    """A temporary folder of their own, before a test module is imported: ONNX Runtime leaves a file `.ses` there."""
    tempfile.gettempdir()  # remembered, so that pytest's folders lie where they always do
    folder = tempfile.TemporaryDirectory(prefix="roundoff-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["TMPDIR"] = folder.name
    hear_interrupts()


def hear_interrupts():
    """Their processes are to be interruptible; as a script's job in the background they would inherit deaf ears."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def folders_of_their_own(tmp_path_factory):
    """Temporary files, also those of killed processes, lie there; the locks of the machine's other jobs stay free."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", os.environ["TMPDIR"])
        patch.setenv(ELSEWHERE, str(tmp_path_factory.mktemp("locks")))
        yield


def pytest_collection_modifyitems(items):
    """The longest come first, so that no process is left with one at the end: the pipelines, which are slow.

    The file that needs the finished one most makes it; the others that need it come when it is there.
    """
    waiting = {item.path for item in items if "copy_finished" in item.fixturenames}
    for item in items:
        if SLOW & {*item.fixturenames}:
            item.add_marker(pytest.mark.slow)

    def place(item):
        if item.path.parent.name != "stages":
            return 3
        return 0 if item.path.name == "test_pipeline.py" else 1 + (item.path in waiting)

    items.sort(key=place)


def pytest_collection_finish():
    """What was imported stays: the exports collect garbage, and need not look at all modules and tests each time."""
    gc.collect()
    gc.freeze()
