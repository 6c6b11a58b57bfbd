"""Energy and conditions: RAPL's files, NVML's calls, and the reason where there is neither."""

import types
from typing import Any

import pytest

from roundoff.errors import Unavailable
from roundoff.measurement import energy
from roundoff.measurement.energy import GpuMeter, GpuMonitor, energy_per_image, meter_for, monitor_for
from tests.support.present import present


class NotOfferedError(Exception):
    pass


class Nvml:
    """As much of NVML as is asked for, on one GPU."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
    NVMLError = NotOfferedError

    def __init__(self, masks, clocks=(1980, 1500)):
        self.masks, self.clocks, self.millijoules = iter(masks), iter(clocks * 10), 0

    def nvmlDeviceGetClockInfo(self, handle, kind):  # noqa: N802
        return next(self.clocks)

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        raise NotOfferedError

    def nvmlDeviceGetTemperature(self, handle, kind):  # noqa: N802
        return 60

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):  # noqa: N802
        return next(self.masks)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        self.millijoules += 5000
        return self.millijoules


def package(root, name, microjoules, wrap=1000_000, kind="package-0"):
    path = root / name
    path.mkdir()
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{wrap}\n")
    (path / "name").write_text(f"{kind}\n")
    return path


def test_rapl_adds_packages_and_survives_wrapping(tmp_path):
    first, second = package(tmp_path, "intel-rapl:0", 900_000), package(tmp_path, "intel-rapl:1", 100)
    package(tmp_path, "intel-rapl:0:0", 5, kind="core")
    package(tmp_path, "intel-rapl:2", 5, kind="psys")
    meter = meter_for("cpu", tmp_path)
    assert meter.joules() == 0
    (first / "energy_uj").write_text("50000")
    (second / "energy_uj").write_text("300100")
    assert meter.joules() == pytest.approx(0.15 + 0.3)


def test_a_cpu_without_rapl_gives_the_reason(tmp_path):
    with pytest.raises(Unavailable, match="has no intel-rapl package"):
        meter_for("cpu", tmp_path)


def test_a_counter_that_may_not_be_read_gives_the_reason(tmp_path):
    path = package(tmp_path, "intel-rapl:0", 1)
    (path / "energy_uj").write_text("secret")
    with pytest.raises(Unavailable, match="energy counter cannot be read"):
        meter_for("cpu", tmp_path)


def test_a_gpu_that_is_not_there_gives_the_reason():
    with pytest.raises(Unavailable, match="no NVML for GPU-none"):
        meter_for("GPU-none")
    monitor = monitor_for("GPU-none")
    assert not monitor.disturbed()
    assert monitor.conditions() is None
    assert "no NVML for GPU-none" in str(monitor.reason)


def test_only_a_change_of_what_throttles_disturbs():
    idle, power_cap, setting = 0x1, 0x4, 0x2
    monitor = GpuMonitor(Nvml([idle, 0, setting, power_cap, power_cap | idle, 0]), None)
    assert [monitor.disturbed() for _ in range(6)] == [False, False, False, True, False, True]
    found = present(monitor.conditions())
    assert found.throttle_reasons == ["power_cap"]
    assert found.sm_clock_mhz == (1980, 1980)
    assert found.temperature_c == (60, 60)
    assert found.power_w is None


def lost(self, *arguments):
    raise NotOfferedError


def test_throttle_reasons_that_cannot_be_read_are_not_called_none(monkeypatch):
    nvml = Nvml([])
    monkeypatch.setattr(Nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", lost)
    monitor = GpuMonitor(nvml, None)
    assert [monitor.disturbed() for _ in range(3)] == [False] * 3
    assert present(monitor.conditions()).throttle_reasons is None
    for sensor in ("nvmlDeviceGetClockInfo", "nvmlDeviceGetTemperature"):
        monkeypatch.setattr(Nvml, sensor, lost)
    blind = GpuMonitor(nvml, None)
    assert blind.disturbed() is False
    assert blind.conditions() is None


def test_a_reading_that_was_lost_is_no_change():
    def masks():
        yield from (0x4, None, 0x4)

    nvml: Any = Nvml([])
    found = masks()

    def reasons(handle):
        mask = next(found)
        if mask is None:
            raise NotOfferedError
        return mask

    nvml.nvmlDeviceGetCurrentClocksThrottleReasons = reasons
    monitor = GpuMonitor(nvml, None)
    assert [monitor.disturbed() for _ in range(3)] == [False] * 3
    assert present(monitor.conditions()).throttle_reasons == ["power_cap"]


def test_energy_is_the_counters_difference_over_a_long_enough_region():
    now, streamed = [0.0], []

    def stream(runs):
        streamed.append(runs)
        now[0] += runs * 0.001
        return runs * 0.001

    bound: Any = types.SimpleNamespace(stream=stream, batch_size=8)
    found = energy_per_image(bound, GpuMeter(Nvml([]), None), 2.0, clock=lambda: now[0])
    assert found.measured_s is not None
    assert found.measured_s >= 2
    assert found.mj_per_image == pytest.approx(5000 / (8 * streamed[-1]))
    assert found.power_w == pytest.approx(5 / found.measured_s)
    assert present(found.source).code == "counter_nvml"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    with pytest.raises(Unavailable, match="nvidia-ml-py is not installed"):
        energy._nvml("GPU-1")
