"""Energy, clocks, temperature and throttling: NVML on a GPU, Intel RAPL on a CPU, or the reason why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from roundoff.backend.base import Binding
from roundoff.errors import Unavailable
from roundoff.results.cell import Energy
from roundoff.results.message import Message, as_message, message
from roundoff.results.run import Conditions
from roundoff.system.nvml import NoNvmlError, nvml

POWERCAP = Path("/sys/class/powercap")
# GpuIdle and ApplicationsClocksSetting (NVML's bits 1 and 2) say how the GPU is used or set, not that it is held back.
NOT_THROTTLED = 0x1 | 0x2
THROTTLE_REASONS = {
    0x4: "power_cap",
    0x8: "hardware_slowdown",
    0x10: "sync_boost",
    0x20: "thermal_software",
    0x40: "thermal_hardware",
    0x80: "power_brake",
    0x100: "display_clocks",
}


NVML, RAPL = message("counter_nvml"), message("counter_rapl")


class Meter(Protocol):
    """A running total of energy; `source` says what counts it, and what of."""

    source: Message

    def joules(self) -> float:
        """Energy used so far, in joules, from an arbitrary start; never falls."""


class Monitor:
    """A device without sensors: nothing is known, so nothing disturbs."""

    def __init__(self, reason: Message) -> None:
        self.reason: Message | None = reason

    def disturbed(self) -> bool:
        """False: no change can be seen."""
        return False

    def conditions(self) -> Conditions | None:
        """None: no conditions were read."""
        return None


@dataclass
class GpuMonitor(Monitor):
    """Reads a GPU's clocks (MHz), power (W), temperature (degrees C) and throttle reasons between rounds."""

    nvml: Any
    handle: Any
    readings: list[dict[str, float]] = field(default_factory=list)
    masks: list[int] = field(default_factory=list)  # those that could be read
    reason: Message | None = None

    def disturbed(self) -> bool:
        """Take a reading; True if the throttle reasons differ from the reading before."""
        nvml, handle = self.nvml, self.handle
        sensors = {
            "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
            "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3,
            "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        }
        values = {name: self._read(sensor) for name, sensor in sensors.items()}
        self.readings.append({name: value for name, value in values.items() if value is not None})
        mask = self._read(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
        if mask is None:
            return False
        self.masks.append(int(mask) & ~NOT_THROTTLED)
        return len(self.masks) > 1 and self.masks[-1] != self.masks[-2]

    def _read(self, sensor: Callable[[], float]) -> float | None:
        """A sensor's value; None where NVML cannot read it (not offered, not permitted, or lost for a moment)."""
        try:
            return sensor()
        except self.nvml.NVMLError:
            return None

    def conditions(self) -> Conditions | None:
        """Lowest and highest of each reading, and every throttle reason seen; what could not be read is None."""
        if not any(self.readings) and not self.masks:
            return None
        seen = 0
        for mask in self.masks:
            seen |= mask
        names = dict.fromkeys(name for reading in self.readings for name in reading)
        values = {name: [reading[name] for reading in self.readings if name in reading] for name in names}
        spans = {name: (min(each), max(each)) for name, each in values.items()}
        reasons = [name for bit, name in THROTTLE_REASONS.items() if seen & bit]
        return Conditions(
            sm_clock_mhz=spans.get("sm_clock_mhz"),
            memory_clock_mhz=spans.get("memory_clock_mhz"),
            power_w=spans.get("power_w"),
            temperature_c=spans.get("temperature_c"),
            throttle_reasons=reasons if self.masks else None,
        )


@dataclass
class GpuMeter:
    """NVML's total-energy counter (millijoules since the driver was loaded)."""

    nvml: Any
    handle: Any
    source: Message = NVML

    def joules(self) -> float:
        """The counter, in joules."""
        return float(self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1e3


@dataclass
class RaplMeter:
    """Intel RAPL's package counters under /sys/class/powercap (microjoules, wrapping round)."""

    packages: list[Path]
    source: Message = RAPL
    _last: dict[Path, int] = field(default_factory=dict)
    _total: int = 0

    def joules(self) -> float:
        """The sum over packages since the first reading; read at least once per wrap (about every half hour)."""
        for package in self.packages:
            now = int((package / "energy_uj").read_text())
            before = self._last.get(package, now)
            wrap = int((package / "max_energy_range_uj").read_text())
            self._total += now - before if now >= before else now + wrap - before
            self._last[package] = now
        return self._total / 1e6


def monitor_for(device: str) -> Monitor:
    """The monitor of a device by its lock key ("cpu", or a GPU's UUID); without NVML, one that knows nothing."""
    if device == "cpu":
        return Monitor(message("clocks_on_gpus_only"))
    try:
        nvml, handle = _nvml(device)
        return GpuMonitor(nvml, handle)
    except Unavailable as missing:
        return Monitor(as_message(missing.args[0]))


def meter_for(device: str, powercap: Path = POWERCAP) -> Meter:
    """The energy counter of a device; raises Unavailable with the reason where there is none that can be read."""
    meter: Meter = _rapl(powercap) if device == "cpu" else GpuMeter(*_nvml(device))
    _readable(meter)
    return meter


def _readable(meter: Meter) -> None:
    try:
        meter.joules()
    except Exception as error:
        raise Unavailable(message("counter_unreadable", source=meter.source, words=str(error))) from error


def _rapl(powercap: Path) -> RaplMeter:
    domains = (path.parent for path in powercap.glob("intel-rapl:*/energy_uj"))
    packages = sorted(domain for domain in domains if domain.name.count(":") == 1 and _is_package(domain))
    if not packages:
        raise Unavailable(message("no_rapl", folder=str(powercap)))
    return RaplMeter(packages)


def _is_package(domain: Path) -> bool:
    # laptops have a domain "psys" beside the packages, which counts what they count once more
    return (domain / "name").read_text().startswith("package")


def _nvml(uuid: str) -> tuple[Any, Any]:
    try:
        pynvml = nvml()
    except ImportError as error:
        raise Unavailable(message("no_nvml_package")) from error
    except NoNvmlError as error:
        raise Unavailable(message("no_nvml", device=uuid, words=str(error))) from error
    try:
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid)
    except pynvml.NVMLError as error:
        raise Unavailable(message("no_nvml", device=uuid, words=str(error))) from error


def energy_per_image(
    bound: Binding, meter: Meter, least_seconds: float, clock: Callable[[], float] = time.perf_counter
) -> Energy:
    """Stream for at least `least_seconds` and divide the counter's difference by the images; idle power is included."""
    runs, used, seconds = 1, 0.0, 0.0
    while seconds < least_seconds:
        before, started = meter.joules(), clock()
        bound.stream(runs)
        seconds, used = clock() - started, meter.joules() - before
        if seconds < least_seconds:
            runs = max(runs * 2, int(runs * 1.2 * least_seconds / max(seconds, 1e-6)))
    return Energy(
        mj_per_image=1e3 * used / (runs * bound.batch_size),
        batch_size=bound.batch_size,
        power_w=used / seconds,
        measured_s=seconds,
        source=meter.source,
    )
