import os
import re
import subprocess
import sys
import time

from roundoff.system import processes
from roundoff.system.processes import environment_of, has_ended, here, parent_of


def test_a_running_process_has_not_ended_and_a_killed_one_has():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not has_ended(process.pid, time.time())
    process.kill()
    time.sleep(0.1)
    assert has_ended(process.pid, time.time())  # a zombie
    process.wait()
    assert has_ended(process.pid, time.time())
    process.communicate()


def test_a_number_that_is_another_process_by_now_has_ended():
    assert has_ended(os.getpid(), last_seen=0.0)


def test_a_disk_whose_clock_is_behind_ends_nobody():
    assert not has_ended(os.getpid(), time.time() - 30)


def test_parents_and_environments_are_the_systems_own():
    assert parent_of(os.getpid()) == os.getppid()
    assert parent_of(2**22 + 1) == 0
    code = "import os; from roundoff.system.processes import *; print(environment_of(os.getpid())['SEEN'], here())"
    run = subprocess.run([sys.executable, "-c", code], env=os.environ | {"SEEN": "a=b"}, capture_output=True, text=True)
    assert run.stdout == f"a=b {here()}\n"
    assert environment_of(2**22 + 1) == {}


def test_without_a_proc_the_machines_name_has_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "PROC", tmp_path)
    here.cache_clear()
    try:
        assert re.fullmatch("[0-9a-f]{8}", here())
        assert parent_of(os.getpid()) == 0
    finally:
        here.cache_clear()
