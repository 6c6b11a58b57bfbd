"""Which settings reach TensorRT's builder."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from roundoff.backend.trt import build as trt_build

trt = pytest.importorskip("tensorrt_rtx")


class Recorder:
    """A builder's configuration, or anything else that is told things: what it was told."""

    def __init__(self, **answers):
        self.__dict__.update(answers=answers, told=[])

    def __setattr__(self, name, value):
        self.told.append((name, value))

    def __getattr__(self, name):
        def call(*arguments):
            self.told.append((name, *arguments))
            answer = self.answers.get(name)
            return answer.pop(0) if isinstance(answer, list) else answer

        return call


def test_settings_reach_the_builder():
    config = Recorder(set_compute_capability=True)
    builder = Recorder(create_builder_config=config)
    settings = trt_build.Settings([], True, 7, 2, ["SM80", "SM89"], "NONE", False, False)
    trt_build._config(trt, builder, SimpleNamespace(num_inputs=0), settings, None)
    assert ("set_memory_pool_limit", trt.MemoryPoolType.WORKSPACE, 7 * 10**6) in config.told
    assert ("builder_optimization_level", 2) in config.told
    assert ("set_flag", trt.BuilderFlag.TF32) in config.told
    assert ("clear_flag", trt.BuilderFlag.VERSION_COMPATIBLE) in config.told
    assert ("num_compute_capabilities", 2) in config.told
    assert ("set_compute_capability", trt.ComputeCapability.SM89, 1) in config.told
    assert not [told for told in config.told if told[0] == "hardware_compatibility_level"]


def test_what_makes_an_engine_portable_reaches_the_builder():
    config = Recorder()
    settings = trt_build.Settings([], False, None, 3, [], "AMPERE_PLUS", True, False)
    trt_build._config(trt, Recorder(create_builder_config=config), SimpleNamespace(num_inputs=0), settings, None)
    assert ("hardware_compatibility_level", trt.HardwareCompatibilityLevel.AMPERE_PLUS) in config.told
    assert ("set_flag", trt.BuilderFlag.VERSION_COMPATIBLE) in config.told
    assert ("clear_flag", trt.BuilderFlag.TF32) in config.told
    assert not [told for told in config.told if told[0] == "set_memory_pool_limit"]
