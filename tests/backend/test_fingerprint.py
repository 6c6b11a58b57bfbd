"""Backends' libraries in the fingerprint: one `id` whatever is configured, and outside backends' bonds that hold."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest

from roundoff.backend.base import Backend
from roundoff.backend.fingerprint import declared, fingerprint, part
from roundoff.backend.machine import TOOLS
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.backend.onnxrt_cuda.backend import OnnxRuntimeCuda
from roundoff.backend.tflite.backend import LiteRT
from roundoff.backend.torch_compile.backend import TorchCompile
from roundoff.backend.trt.backend import Tensorrt
from roundoff.cells.inputs import Inputs
from roundoff.cells.store import build_cell, open_cell
from roundoff.errors import ConfigError, Unavailable
from roundoff.precision.fp32 import Fp32
from roundoff.results.build import BuildInfo
from roundoff.results.platform import Cpu, Platform, fingerprint_id, read_platform
from roundoff.system.machine import library_versions
from tests.support.cells import network
from tests.support.places import ROOT

SHIPPED = (OnnxRuntime, OnnxRuntimeCuda, LiteRT, Tensorrt, TorchCompile)


@dataclass(frozen=True)
class Outside(Backend):
    """It wants one library told, and is bound to another; both are installed, and no shipped backend's."""

    artifact = "model.bin"
    libraries = ("pyyaml",)
    bound_to: ClassVar[tuple[str, ...]] = ("cpu.model", "libraries.rich")

    def refusal(self, precision):
        return None

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(b"engine")
        return BuildInfo()

    def load(self, directory):
        return "loaded"  # a runner is not asked for here


@dataclass(frozen=True)
class Misspelt(Outside):
    bound_to: ClassVar[tuple[str, ...]] = ("gpu.uuid",)


def test_the_id_is_the_same_whatever_is_configured():
    without = fingerprint()
    for configured in ({"litert": LiteRT()}, {"a": OnnxRuntime(), "b": Tensorrt()}, {"outside": Outside()}):
        assert fingerprint(configured).id == without.id


def test_shipped_backends_declare_what_they_run_on():
    assert declared(OnnxRuntime) == {"onnxruntime", "onnxruntime-gpu"}
    assert declared(TorchCompile) == {"cuda-python", "torch", "triton"}
    assert declared(LiteRT) == {"ai-edge-litert", "ai-edge-quantizer"}
    assert {"tensorrt", "tensorrt-rtx", "cuda-python"} <= declared(Tensorrt)
    assert library_versions(("onnxruntime", "ai-edge-litert")).items() <= fingerprint().libraries.items()


def test_an_outside_backends_libraries_are_told():
    told = fingerprint({"outside": Outside()}).libraries
    assert told == fingerprint().libraries | library_versions(("pyyaml", "rich"))
    assert {"pyyaml", "rich"} <= set(told)


def test_what_an_outside_backend_is_bound_to_is_enforced(tmp_path):
    here, source = fingerprint({"outside": Outside()}), tmp_path / "model.onnx"
    onnx.save(network(trained=False), source)
    inputs = Inputs(source, None, None, np.zeros((1, 8, 8, 3), np.uint8), here)
    build_cell("outside", Outside(), "fp32", Fp32(), inputs, tmp_path / "fp32/outside")
    opened: Any = open_cell(Outside(), tmp_path / "fp32/outside", here)
    assert opened == "loaded"
    later = replace(here, libraries=here.libraries | {"rich": "99.0"})
    with pytest.raises(Unavailable, match=r"built where libraries\.rich was .* but here it is 99\.0"):
        open_cell(Outside(), tmp_path / "fp32/outside", later)
    open_cell(Outside(), tmp_path / "fp32/outside", replace(here, libraries=here.libraries | {"pyyaml": "99.0"}))


def test_a_bond_that_nothing_tells_is_refused():
    with pytest.raises(ConfigError, match=r"backends\.mine is bound to what (.|\n)*gpu\.uuid"):
        fingerprint({"mine": Misspelt()})


def test_a_part_is_found_by_its_dotted_key():
    found = Platform(cpu=Cpu(model="Z80"), libraries={"ruamel.yaml": "1.0"})
    keys = ("cpu.model", "driver", "libraries.ruamel.yaml", "cpu.speed", "driver.version")
    assert [part(found, key, "-") for key in keys] == ["Z80", None, "1.0", "-", "-"]


def test_the_machine_of_the_published_metrics_keeps_its_id():
    known = read_platform(ROOT / "platform.json")
    assert fingerprint_id(known) == known.id
    assert set(known.libraries) <= {*TOOLS, *(name for kind in SHIPPED for name in declared(kind))}
