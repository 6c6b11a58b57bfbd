"""How far a build is, and how Ctrl-C ends it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from roundoff.backend.trt.progress import PhaseProgress, make_monitor

trt = pytest.importorskip("tensorrt_rtx")


def test_nested_phases_add_up_to_the_whole():
    progress = PhaseProgress()
    progress.start("build", None, 2)
    progress.step("build", 0)
    assert progress.fraction == 0.5
    progress.start("optimize", "build", 4)
    for step in range(4):
        progress.step("optimize", step)
        assert progress.fraction == pytest.approx(0.5 + 0.125 * (step + 1))
    progress.step("build", 1)
    assert progress.fraction == 1.0


def test_a_phase_that_ends_before_its_last_step_is_complete():
    bar = SimpleNamespace(percent=0.0)
    bar.advance = lambda amount, note: setattr(bar, "percent", bar.percent + amount)
    monitor = make_monitor(trt, bar, SimpleNamespace(raised=None))
    monitor.phase_start("build", None, 4)
    monitor.phase_start("optimize", "build", 6)
    monitor.step_complete("optimize", 0)
    monitor.phase_finish("optimize")
    assert bar.percent == pytest.approx(25)
    monitor.phase_finish("build")
    assert bar.percent == pytest.approx(100)


def test_ctrl_c_during_a_build_asks_tensorrt_to_stop():
    class Interrupted:
        def advance(self, steps: float = 1, note: str = "") -> None:
            raise KeyboardInterrupt

    monitor = make_monitor(trt, Interrupted(), SimpleNamespace(raised=None))
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0) is False
    assert type(monitor.raised) is KeyboardInterrupt


def test_ctrl_c_in_the_log_asks_tensorrt_to_stop():
    log = SimpleNamespace(raised=None)
    monitor = make_monitor(trt, SimpleNamespace(advance=lambda amount, note: None), log)
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0) is True
    log.raised = KeyboardInterrupt()
    assert monitor.step_complete("build", 1) is False
