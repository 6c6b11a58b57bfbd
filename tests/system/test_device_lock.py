"""The lock per device, between processes."""

import os
import subprocess
import sys
import time
import uuid

import pytest

from roundoff.errors import ConfigError
from roundoff.system.device_lock import ELSEWHERE, device_lock, lock_path

HOLDER = """
import sys, time
from roundoff.system.device_lock import device_lock
with device_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def device():
    return f"GPU-{uuid.uuid4()}"


def hold(device, seconds):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, device, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_free_device_is_taken_at_once(device):
    with device_lock(device) as waited:
        assert waited < 0.1


def test_a_second_job_waits_and_says_so(device, caplog):
    process = hold(device, 0.5)
    with device_lock(device) as waited:
        assert process.wait(timeout=5) == 0
        assert waited > 0.1
    assert f"another job is at work on {device}: waiting for it" in caplog.text


def test_other_users_can_open_the_lock_whatever_the_umask(device):
    before = os.umask(0o077)
    try:
        with device_lock(device):
            assert lock_path(device).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_another_device_does_not_wait(device):
    process = hold(device, 5)
    with device_lock(f"{device}-other") as waited:
        assert waited < 0.1
    process.kill()
    process.wait()


def test_a_killed_job_frees_its_device(device):
    process = hold(device, 60)
    process.kill()
    process.wait()
    started = time.monotonic()
    with device_lock(device):
        assert time.monotonic() - started < 1


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


def test_locks_in_different_directories_do_not_meet(device, tmp_path):
    process = hold(device, 5)
    with device_lock(device, str(tmp_path)) as waited:
        assert waited < 0.1
    process.kill()
    process.wait()


def test_a_directory_that_is_not_there_is_refused(device, tmp_path):
    with (
        pytest.raises(ConfigError, match=r"nowhere/roundoff-(.|\n)*No such file(.|\n)*evaluate.lock_directory"),
        device_lock(device, str(tmp_path / "nowhere")),
    ):
        pass
