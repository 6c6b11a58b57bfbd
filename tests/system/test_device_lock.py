"""The locks per device, between processes: who times is alone, who does not shares, and is let in between loads."""

import fcntl
import logging
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from roundoff.errors import ConfigError, MachineError
from roundoff.system import lock_file
from roundoff.system.device_lock import Locking, device_lock, lock_path, shared_device
from roundoff.system.lock_file import ELSEWHERE, holders, is_taken

HOLDER = """
import sys, time
from roundoff.system.device_lock import device_lock, shared_device
with {"alone": device_lock, "shared": shared_device}[sys.argv[3]](sys.argv[1]):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def device():
    return f"GPU-{uuid.uuid4()}"


@pytest.fixture
def hold(device):
    started = []

    def start(seconds=60.0, how="alone", name=device, wait=True):
        command = [sys.executable, "-c", HOLDER, name, str(seconds), how]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        if wait:
            assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_free_device_is_taken_at_once(device):
    with device_lock(device) as alone:
        assert alone.waited_s < 1
    with shared_device(device) as waited:
        assert waited < 1


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_who_times_waits_for_any_other_and_says_for_which(device, hold, how, caplog):
    process = hold(1.0, how)
    with device_lock(device) as alone:
        assert process.wait(timeout=60) == 0
        assert alone.waited_s > 0.1
    assert f"another job is at work on {device}: waiting for process {process.pid} (" in caplog.text
    assert "waited 0 s so far" in caplog.text
    assert len(caplog.records) == 1


def test_who_does_not_time_waits_for_who_does_and_not_for_the_others(device, hold):
    process = hold(1.0)
    with shared_device(device) as waited, shared_device(device) as second:
        assert process.wait(timeout=60) == 0
        assert waited > 0.1
        assert second < 1


def test_the_wait_is_told_again_each_while(device, hold, caplog, monkeypatch):
    monkeypatch.setattr(lock_file, "SAY_EVERY_S", 0.1)
    hold(1.0)
    with device_lock(device):
        pass
    assert 2 <= len(caplog.records) <= 11


def test_a_wait_that_is_too_long_ends_in_words(device, hold):
    process = hold()
    said = rf"another job is at work on {device}(.|\n)*held by process {process.pid} (.|\n)*lock_timeout_s=0.2"
    for lock in (device_lock, shared_device):
        started = time.monotonic()
        with pytest.raises(MachineError, match=said), lock(device, Locking(timeout_s=0.2)):
            pass
        assert time.monotonic() - started >= 0.2
    with pytest.raises(MachineError), device_lock(device, Locking(timeout_s=0)):
        pass
    process.kill()
    process.wait()
    with device_lock(device) as alone:  # whoever gave up holds nothing
        assert alone.waited_s < 1


def test_who_times_lets_those_in_who_do_not_and_nobody_else(device, hold, caplog):
    with device_lock(device) as alone:
        assert alone.let_others_in() == 0.0
        timing = hold(0, "alone", wait=False)
        shared = hold(0.3, "shared", wait=False)
        until(lambda: is_taken(lock_path(device).with_suffix(".turn")))
        waited = alone.let_others_in()
        assert f"waiting for process {shared.pid} (" in caplog.text
        assert shared.wait(timeout=60) == 0  # it had the device, and this one waited for its end
        assert waited > 0.2
        assert alone.waited_s >= waited
        assert timing.poll() is None
        with pytest.raises(MachineError), shared_device(device, Locking(timeout_s=0)):
            pass  # it is held again
    assert timing.wait(timeout=60) == 0


def test_no_stream_of_sharers_keeps_out_who_times(device, hold):
    """One that comes behind it waits for it."""
    sharer = hold(how="shared")
    timing = hold(how="alone", wait=False)
    until(lambda: is_taken(lock_path(device).with_suffix(".turn")))
    with pytest.raises(MachineError), shared_device(device, Locking(timeout_s=0.1)):
        pass
    sharer.kill()
    assert timing.stdout.readline() == "held\n"


def test_other_users_can_open_the_locks_whatever_the_umask(device):
    before = os.umask(0o077)
    try:
        with device_lock(device):
            files = [lock_path(device).with_suffix(suffix) for suffix in (".lock", ".turn", ".timing")]
            assert [path.stat().st_mode & 0o777 for path in files] == [0o644] * 3
    finally:
        os.umask(before)


def test_another_device_does_not_wait(device, hold):
    hold()
    with device_lock(f"{device}-other") as alone:
        assert alone.waited_s < 1


def test_a_killed_job_frees_its_device(device, hold):
    process = hold()
    process.kill()
    process.wait()
    with device_lock(device) as alone:
        assert alone.waited_s < 1


def test_a_lock_whose_file_is_removed_meanwhile_is_taken_anew(device, hold):
    """As cleaners of /tmp do: two jobs would hold locks of two files."""
    holder, waiting = hold(), hold(wait=False)
    files = [lock_path(device).with_suffix(suffix) for suffix in (".lock", ".turn", ".timing")]
    until(lambda: str(files[2]) in opened_by(waiting))
    for path in files:
        path.unlink()
    holder.kill()
    assert waiting.stdout.readline() == "held\n"
    assert all(path.exists() for path in files)
    assert holders(files).startswith(f"process {waiting.pid} ")


def opened_by(process):
    return [os.readlink(path) for path in Path(f"/proc/{process.pid}/fd").iterdir() if path.is_symlink()]  # noqa: PTH115


def test_a_holder_in_another_container_is_unknown(device, caplog, monkeypatch, hold):
    monkeypatch.setattr(lock_file, "_pids", lambda inodes: set())
    hold(0.3)
    with device_lock(device):
        pass
    assert "waiting for a process that is not visible here" in caplog.text


def test_any_name_makes_a_file_in_the_one_directory_that_all_jobs_share(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    monkeypatch.delenv(ELSEWHERE)
    paths = {lock_path(name) for name in ("cpu", "GPU-1", "../../etc/passwd", "a/b", "a_b", "x" * 500)}
    assert len(paths) == 6
    assert {str(path.parent) for path in paths} == {"/tmp"}
    assert all(len(path.name) < 255 for path in paths)


def test_a_directory_that_is_named_comes_before_the_environments(device, tmp_path, monkeypatch):
    monkeypatch.setenv(ELSEWHERE, str(tmp_path / "environment"))
    assert lock_path(device).parent == tmp_path / "environment"
    assert lock_path(device, str(tmp_path)).parent == tmp_path


def test_locks_in_different_directories_do_not_meet(device, tmp_path, hold):
    hold()
    with device_lock(device, Locking(str(tmp_path))) as alone:
        assert alone.waited_s < 1


def refused(device, tmp_path, said):
    match = rf"the lock of a device cannot be opened(.|\n)*roundoff-(.|\n)*{said}(.|\n)*evaluate.lock_directory"
    for lock in (device_lock, shared_device):
        with pytest.raises(ConfigError, match=match), lock(device, Locking(str(tmp_path))):
            pass


def test_a_directory_that_is_not_there_is_refused(device, tmp_path):
    refused(device, tmp_path / "nowhere", "No such file")


@pytest.mark.parametrize("suffix", [".lock", ".turn"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.symlink_to("target"), "a link, which is not followed"),
        (lambda path: path.symlink_to(path), "a link, which is not followed"),
        (lambda path: os.mkfifo(path), "a pipe, a socket or a device"),
        (lambda path: path.mkdir(), "a folder"),
    ],
    ids=["link", "circle", "pipe", "folder"],
)
def test_what_is_no_plain_file_is_refused_at_once(device, tmp_path, suffix, make, said):
    (tmp_path / "target").write_text("kept")
    make(lock_path(device, str(tmp_path)).with_suffix(suffix))
    refused(device, tmp_path, said)
    assert (tmp_path / "target").read_text() == "kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's place")
def test_another_users_files_serve_where_they_can_be_read_and_are_refused_where_not(device):
    command = [sys.executable, "-c", HOLDER.replace("with {", "import os; os.setuid(12345)\nwith {")]

    def as_another():
        return subprocess.run([*command, device, "0", "alone"], capture_output=True, text=True)

    with tempfile.TemporaryDirectory(dir="/tmp") as place:  # the tests' own lets no other user in
        Path(place).chmod(0o1777)
        command[:0] = ["env", f"{ELSEWHERE}={place}"]
        with device_lock(device, Locking(place)):
            pass
        assert as_another().stdout == "held\n"
        lock_path(device, place).chmod(0o600)
        assert "Permission denied" in as_another().stderr


def test_a_disk_without_locks_is_refused(device, tmp_path, monkeypatch):
    def no_locks(descriptor, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    refused(device, tmp_path, "a disk that gives no lock: No locks available")


def test_nothing_is_logged_where_nobody_waits(device, caplog):
    caplog.set_level(logging.DEBUG)
    with device_lock(device) as alone:
        alone.let_others_in()
    assert caplog.records == []
