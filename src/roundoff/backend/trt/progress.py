"""TensorRT's nested build phases as one progress bar, in percent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roundoff.system.progress import Bar


class PhaseProgress:
    """The share of a build that is done, from phases that nest: a step of a phase is split among its children."""

    def __init__(self) -> None:
        self.shares: dict[str, tuple[float, float]] = {}  # phase → (fraction done before it, its share of the whole)
        self.steps: dict[str, tuple[int, int]] = {}  # phase → (steps done, steps in all)
        self.fraction = 0.0

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` begins inside the current step of `parent`."""
        before, share = self.shares.get(parent or "", (0.0, 1.0))
        done, total = self.steps.get(parent or "", (0, 1))
        self.shares[phase] = (before + share * done / total, share / total)
        self.steps[phase] = (0, max(steps, 1))

    def step(self, phase: str, step: int) -> None:
        """Step number `step` (from 0) of the phase is complete."""
        _, total = self.steps[phase]
        before, share = self.shares[phase]
        self.steps[phase] = (min(step + 1, total), total)
        self.fraction = max(self.fraction, before + share * min(step + 1, total) / total)

    def finish(self, phase: str) -> None:
        """The phase is complete, whether or not it came to its last step."""
        self.step(phase, self.steps[phase][1] - 1)


def make_monitor(trt: Any, bar: Bar, log: Any) -> Any:
    """An IProgressMonitor that moves `bar` (0 to 100); `raised` is what stopped the build, such as Ctrl-C.

    What came while `log` took a message stops it, too.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.progress = PhaseProgress()
            self.raised: BaseException | None = None

        # An exception that leaves one of these would end the process inside TensorRT's C++.
        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._guard(lambda: self.progress.start(phase_name, parent_phase, num_steps))

        def phase_finish(self, phase_name: str) -> None:
            self._guard(lambda: self._move(phase_name, lambda: self.progress.finish(phase_name)))

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._guard(lambda: self._move(phase_name, lambda: self.progress.step(phase_name, step)))
            return self.raised is None and log.raised is None

        def _move(self, phase: str, move: Callable[[], None]) -> None:
            before = self.progress.fraction
            move()
            bar.advance(100 * (self.progress.fraction - before), note=phase)

        def _guard(self, move: Callable[[], None]) -> None:
            try:
                move()
            except BaseException as error:
                self.raised = self.raised or error

    return Monitor()
