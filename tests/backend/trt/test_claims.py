"""A loaded engine is held to the precision that it claims."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from roundoff.errors import GateError
from roundoff.results.build import BuildInfo
from tests.support.fake_trt import FakeTensorrt


def layer(kind: str) -> dict[str, Any]:
    return {"Name": "conv", "LayerType": "Convolution", "Inputs": [{"Name": "x", "Format/Datatype": kind}]}


def test_int8_without_an_int8_convolution_fails(load, gpu):
    with pytest.raises(GateError, match="claims int8 shows no convolution in int8"):
        load(FakeTensorrt(gpu, layers=[layer("Half")]), build=BuildInfo(weights="int8", activations="int8"))
    assert not gpu.live


def test_the_loaded_engine_is_held_to_the_claim_whatever_the_build_told(load, gpu):
    runner = load(FakeTensorrt(gpu, layers=[layer("Half")]), build=BuildInfo(weights="int8", layer_types={"int8": 9}))
    with pytest.raises(GateError, match="claims int8 shows no convolution in int8"):
        runner.layer_types()


def test_types_that_the_build_could_not_tell_are_judged_with_a_context(load, gpu):
    unknown = layer("N/A due to dynamic shapes")
    build = BuildInfo(weights="int8", layer_types={"unknown": 1})
    good = FakeTensorrt(gpu, layers=[layer("Int8 NC/32HW32")])
    good.layers_without_context = [unknown]
    assert load(good, build=build).layer_types().layer_types == {"int8": 1}
    with pytest.raises(GateError, match="claims int8"):
        load(FakeTensorrt(gpu, layers=[layer("Half")]), build=build)


def test_an_engine_that_nothing_is_told_of_is_no_int8_engine(load, gpu):
    build = BuildInfo(weights="int8", layer_types={"int8": 9})
    assert load(FakeTensorrt(gpu), build=build).layer_types() is None
    with pytest.raises(GateError, match="received: nothing: this library does not tell"):
        load(FakeTensorrt(gpu), build=replace(build, layer_types={}))


def test_int8_with_an_int8_convolution_passes(load, gpu):
    runner = load(FakeTensorrt(gpu, layers=[layer("Int8 NC/32HW32")]), build=BuildInfo(weights="int8"))
    assert runner.layer_types().layer_types == {"int8": 1}
    assert json.loads(runner.inspection())["Layers"]
