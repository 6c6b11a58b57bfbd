"""Energy, clocks, temperature and throttling: NVML on a GPU, Intel RAPL on a CPU, or the reason why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from roundoff.backend.base import Bound
from roundoff.errors import Unavailable

POWERCAP = Path("/sys/class/powercap")
# GpuIdle and ApplicationsClocksSetting (NVML's bits 1 and 2) say how the GPU is used or set, not that it is held back.
NOT_THROTTLED = 0x1 | 0x2
THROTTLE_REASONS = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
}


class Meter(Protocol):
    """A running total of energy."""

    source: str

    def joules(self) -> float:
        """Energy used so far, in joules, from an arbitrary start; never falls."""


class Monitor:
    """A device without sensors: nothing is known, so nothing disturbs."""

    def __init__(self, reason: str) -> None:
        self.reason: str | None = reason

    def disturbed(self) -> bool:
        """False: no change can be seen."""
        return False

    def conditions(self) -> dict[str, Any] | None:
        """None: no conditions were read."""
        return None


@dataclass
class GpuMonitor(Monitor):
    """Reads a GPU's clocks (MHz), power (W), temperature (degrees C) and throttle reasons between rounds."""

    nvml: Any
    handle: Any
    readings: list[dict[str, float]] = field(default_factory=list)
    masks: list[int] = field(default_factory=list)  # those that could be read
    reason: str | None = None

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

    def conditions(self) -> dict[str, Any] | None:
        """Lowest and highest of each reading, and every throttle reason seen; what could not be read is missing."""
        if not any(self.readings) and not self.masks:
            return None
        seen = 0
        for mask in self.masks:
            seen |= mask
        names = dict.fromkeys(name for reading in self.readings for name in reading)
        values = {name: [reading[name] for reading in self.readings if name in reading] for name in names}
        spans = {name: [min(found), max(found)] for name, found in values.items()}
        reasons = [name for bit, name in THROTTLE_REASONS.items() if seen & bit]
        return {**spans, **({"throttle_reasons": reasons} if self.masks else {})}


@dataclass
class GpuMeter:
    """NVML's total-energy counter (millijoules since the driver was loaded)."""

    nvml: Any
    handle: Any
    source: str = "nvml: the whole GPU"

    def joules(self) -> float:
        """The counter, in joules."""
        return float(self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1e3


@dataclass
class RaplMeter:
    """Intel RAPL's package counters under /sys/class/powercap (microjoules, wrapping round)."""

    packages: list[Path]
    source: str = "rapl: all CPU packages, everything that runs on them"
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
        return Monitor("clocks and throttling are read on NVIDIA GPUs only")
    try:
        nvml, handle = _nvml(device)
        return GpuMonitor(nvml, handle)
    except Unavailable as missing:
        return Monitor(str(missing))


def meter_for(device: str, powercap: Path = POWERCAP) -> Meter:
    """The energy counter of a device; raises Unavailable with the reason where there is none that can be read."""
    meter: Meter = _rapl(powercap) if device == "cpu" else GpuMeter(*_nvml(device))
    _readable(meter)
    return meter


def _readable(meter: Meter) -> None:
    try:
        meter.joules()
    except Exception as error:
        raise Unavailable(f"the energy counter cannot be read ({meter.source}): {error}") from error


def _rapl(powercap: Path) -> RaplMeter:
    domains = (path.parent for path in powercap.glob("intel-rapl:*/energy_uj"))
    packages = sorted(domain for domain in domains if domain.name.count(":") == 1 and _is_package(domain))
    if not packages:
        raise Unavailable(f"no energy counter: {powercap} has no intel-rapl package")
    return RaplMeter(packages)


def _is_package(domain: Path) -> bool:
    # laptops have a domain "psys" beside the packages, which counts what they count once more
    return (domain / "name").read_text().startswith("package")


def _nvml(uuid: str) -> tuple[Any, Any]:
    try:
        import pynvml
    except ImportError as error:
        raise Unavailable("no NVML: the package nvidia-ml-py is not installed") from error
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid)
    except pynvml.NVMLError as error:
        raise Unavailable(f"no NVML for {uuid}: {error}") from error


def energy_per_image(
    bound: Bound, meter: Meter, least_seconds: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Any]:
    """Stream for at least `least_seconds` and divide the counter's difference by the images; idle power is included.

    Returns the cell's object `energy`: millijoules per image, mean watts, seconds, the batch size and the source.
    """
    runs, used, seconds = 1, 0.0, 0.0
    while seconds < least_seconds:
        before, started = meter.joules(), clock()
        bound.stream(runs)
        seconds, used = clock() - started, meter.joules() - before
        if seconds < least_seconds:
            runs = max(runs * 2, int(runs * 1.2 * least_seconds / max(seconds, 1e-6)))
    return {
        "mj_per_image": 1e3 * used / (runs * bound.batch_size),
        "batch_size": bound.batch_size,
        "watts": used / seconds,
        "seconds": seconds,
        "source": meter.source,
        "reason": None,
    }


def no_energy(reason: str) -> dict[str, Any]:
    """The cell's object `energy` where nothing could be measured."""
    empty: dict[str, Any] = dict.fromkeys(("mj_per_image", "batch_size", "watts", "seconds", "source"))
    return {**empty, "reason": reason}
