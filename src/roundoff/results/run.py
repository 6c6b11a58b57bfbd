"""What a run of `evaluate` shares among its cells: the machine, the method, each device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from roundoff.results.cell import CellMetrics, Speedup
from roundoff.results.message import Message
from roundoff.results.platform import Platform
from roundoff.results.precision import Types
from roundoff.results.values import Count, NotNegative, Share, about


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What was read of a GPU while it was timed: the least and the largest reading of each sensor."""

    sm_clock_mhz: Annotated[tuple[float, float] | None, about("clock of the multiprocessors")] = None
    memory_clock_mhz: Annotated[tuple[float, float] | None, about("clock of the memory")] = None
    power_w: Annotated[tuple[float, float] | None, about("power, watts")] = None
    temperature_c: Annotated[tuple[float, float] | None, about("temperature, degrees Celsius")] = None
    throttle_reasons: Annotated[list[str] | None, about("names of NVML's reasons for lower clocks; null: unread")] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class AaControl:
    """The FP32 engine timed against itself: what this machine's noise is. Batch sizes are the keys `batch_N`."""

    cell: Annotated[str, about("the cell that was loaded twice")]
    batches: Annotated[dict[int, Speedup], about("by batch size")] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Device:
    """How one device was timed."""

    cells: Annotated[list[str], about("the cells that were timed on it")]
    loads: Annotated[Count, about("times that the engines were loaded anew")] = 0
    first_load: Annotated[
        Count | None, about("number, in raw timings, of its first load, of devices that share them in turn")
    ] = None
    rounds: Annotated[Count, about("interleaved rounds")] = 0
    repeated_rounds: Annotated[Count | None, about("rounds repeated since the reasons for throttling changed")] = None
    waited_s: Annotated[NotNegative | None, about("seconds spent waiting for other jobs")] = None
    conditions: Annotated[Conditions | None, about("clocks, power, temperature, throttling")] = None
    conditions_reason: Annotated[Message | None, about("why they were not read")] = None
    aa_control: Annotated[AaControl | None, about("the same engine against itself")] = None


@dataclass(frozen=True, kw_only=True)
class Origin:
    """When and from which sources a run was measured."""

    date: Annotated[str | None, about("day, UTC, as 2026-11-29")] = None
    commit: Annotated[str | None, about("the commit that was checked out; null: no git")] = None
    changed: Annotated[bool | None, about("whether sources or settings differed from it")] = None
    roundoff: Annotated[str | None, about("roundoff's version; null: not installed")] = None


@dataclass(frozen=True, kw_only=True)
class Method:
    """How the cells of a run were measured."""

    evaluate: Annotated[dict[str, Any], about("the settings of the stage, as they were")] = field(default_factory=dict)
    precisions: Annotated[dict[str, Types], about("what each stores and computes in, by name")] = field(
        default_factory=dict
    )
    test_set: Annotated[str | None, about("SHA-256 of the test split")] = None
    chance: Annotated[Share | None, about("accuracy of the best constant answer")] = None
    devices: Annotated[dict[str, Device], about("by name or UUID")] = field(default_factory=dict)
    origin: Annotated[Origin, about("when, and from which sources")] = field(default_factory=Origin)

    def __post_init__(self) -> None:
        for name in ("chance_margin", "warmup_ms", "warmup_runs"):
            value = self.evaluate.get(name, 0.0)
            if isinstance(value, bool) or not isinstance(value, int | float | None) or (value or 0) < 0:
                raise ValueError(f"evaluate.{name} is {value!r}, no number of 0 or more")

    @property
    def chance_margin(self) -> float | None:
        """How far above chance an accuracy must be, as a share of the way to 1; None where it was not recorded."""
        return self._setting("chance_margin")

    @property
    def warmup_ms(self) -> float | None:
        """The milliseconds of warm-up that were asked for."""
        return self._setting("warmup_ms")

    @property
    def warmup_runs(self) -> float | None:
        """The runs of warm-up that were asked for."""
        return self._setting("warmup_runs")

    @property
    def stop_early(self) -> float | None:
        """The share of accuracy by which test sets and timing may have stopped early; None where none did."""
        return self._setting("stop_early")

    @property
    def interval_target(self) -> float | None:
        """Half the width of a speed-up's interval that was asked for, as a share of it."""
        return self._setting("interval_target")

    def _setting(self, name: str) -> float | None:
        value = self.evaluate.get(name)
        return None if value is None else float(value)


@dataclass(frozen=True, kw_only=True)
class Head:
    """What each metrics file says of the run as a whole."""

    platform: Annotated[Platform, about("fingerprint of the machine")]
    reference: Annotated[str | None, about("the cell that the others are compared with")]
    method: Annotated[Method, about("how it was measured")]


@dataclass(frozen=True, kw_only=True)
class Metrics(Head):
    """The metrics of one run: its cells by name (PRECISION/BACKEND), and what all of them share."""

    cells: Annotated[dict[str, CellMetrics], about("by name")]

    def fastest_ms(self, batch_size: int) -> float | None:
        """The least median end to end of any cell at a batch size, ms; None where none was timed at it."""
        timed = (
            cell.batches[batch_size].end_to_end_p50_ms for cell in self.cells.values() if batch_size in cell.batches
        )
        return min((ms for ms in timed if ms is not None), default=None)
