import sys
from types import SimpleNamespace

from roundoff.backend.machine import TOOLS, fingerprint
from roundoff.results.platform import Gpu
from roundoff.system.machine import library_versions


def test_the_fingerprint_names_only_installed_libraries():
    libraries = fingerprint().libraries
    assert "onnx" in libraries
    assert libraries == library_versions(TOOLS)


def test_what_is_only_told_is_no_part_of_the_id():
    told = fingerprint((), ("rich",))
    assert told.libraries == fingerprint().libraries | library_versions(("rich",))
    assert told.id == fingerprint().id
    assert fingerprint(("rich",)).id != told.id


def test_a_gpu_without_memory_of_its_own_has_a_fingerprint(monkeypatch):
    class Unsupported(Exception):  # noqa: N818
        pass

    def refuse(handle):
        raise Unsupported

    nvml = SimpleNamespace(
        NVMLError=Unsupported,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlSystemGetCudaDriverVersion=lambda: 13000,
        nvmlSystemGetDriverVersion=lambda: "580.1",
        nvmlDeviceGetCudaComputeCapability=lambda handle: (12, 1),
        nvmlDeviceGetName=lambda handle: b"NVIDIA GB10",
        nvmlDeviceGetUUID=lambda handle: "GPU-1",
        nvmlDeviceGetMemoryInfo=refuse,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert fingerprint().gpus == [Gpu(name="NVIDIA GB10", uuid="GPU-1", sm="12.1", memory_mb=None)]
