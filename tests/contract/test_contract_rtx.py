"""The builder, for real, against the TensorRT-RTX that is installed: 1.4 has TensorRT 10's API, 1.7 has 11's."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from roundoff.backend import cuda
from roundoff.backend.base import Source
from roundoff.backend.trt.backend import Tensorrt
from roundoff.backend.trt.build import _strongly_typed, builds_ahead_of_time
from roundoff.errors import Unavailable
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp8 import Fp8
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_fp16 import Int8Fp16
from roundoff.precision.tf32 import Tf32
from roundoff.results.build import BuildInfo
from tests.support.calls import (
    AHEAD_OF_TIME,
    AHEAD_OF_TIME_MEMBERS,
    AHEAD_OF_TIME_PROPERTIES,
    BUILD,
    BUILD_MEMBERS,
    BUILD_PROPERTIES,
    INSPECT,
    INSPECT_PROPERTIES,
    RUN,
    RUN_MEMBERS,
    RUN_PROPERTIES,
    SEVERITIES,
    accepts,
    each,
    listed_and_unused,
    used_and_unlisted,
)
from tests.support.networks import pictures, residual_network, table_of
from tests.support.present import present

trt = pytest.importorskip("tensorrt_rtx")
VERSION = tuple(int(part) for part in trt.__version__.split(".")[:2])
HAS_GPU = cuda.absence() is None

ATTRIBUTES = (
    AHEAD_OF_TIME_MEMBERS,
    AHEAD_OF_TIME_PROPERTIES,
    BUILD_MEMBERS,
    BUILD_PROPERTIES,
    INSPECT_PROPERTIES,
    RUN_MEMBERS,
    RUN_PROPERTIES,
)

needs_1_7 = pytest.mark.skipif(VERSION < (1, 7), reason="INT8 convolutions came with TensorRT-RTX 1.7")
before_1_7 = pytest.mark.skipif(VERSION >= (1, 7), reason="this TensorRT-RTX builds INT8 convolutions")
only_1_4 = pytest.mark.skipif(VERSION != (1, 4), reason="what TensorRT 10's API is like, which 1.4 has")


def build(directory: Path, precision) -> BuildInfo:
    graph, model = directory / "graph.onnx", residual_network()
    backend = Tensorrt()
    table = table_of(model) if precision.needs_calibration else None
    onnx.save(precision.convert(model, backend.grid, table), graph)
    return backend.build(Source("test", precision, graph, graph, pictures(1)), directory)


@pytest.mark.parametrize(
    ("precision", "types"),
    [
        (Fp32(), {"float32": 3}),
        (Tf32(), {"float32": 3}),
        (Fp16(), {"float16": 3}),
        (Bf16(), {"bfloat16": 3}),
        pytest.param(Int8(), {"int8": 2, "float32": 1}, marks=needs_1_7),
        pytest.param(Int8Fp16(), {"int8": 2, "float16": 1}, marks=needs_1_7),
        pytest.param(
            Fp8(),
            {"float8_e4m3fn": 2, "float16": 1},
            marks=pytest.mark.skipif(VERSION < (1, 6), reason="older ones need a GPU to build FP8"),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_precision_multiplies_in_its_type(tmp_path, precision, types):
    info = build(tmp_path, precision)
    shares = present(info.compute_share)
    assert info.layer_types == types
    assert sum(shares.values()) == pytest.approx(1.0)
    eight_bits = types.get("int8") or types.get("float8_e4m3fn")
    if eight_bits:
        assert shares[next(iter(types))] > 0.99


@before_1_7
@pytest.mark.parametrize("precision", [Int8(), Int8Fp16()], ids=["int8", "int8_fp16"])
def test_int8_is_unavailable_in_tensorrts_words(tmp_path, precision):
    with pytest.raises(Unavailable, match=rf"tensorrt_rtx {trt.__version__}: .*CHECK\(dtype == myelinTypeFloat"):
        build(tmp_path, precision)


@only_1_4
@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_fp8_that_needs_a_gpu_says_so(tmp_path):
    with pytest.raises(Unavailable, match="needs a GPU to build this graph"):
        build(tmp_path, Fp8())


def test_the_network_is_strongly_typed():
    builder = trt.Builder(trt.Logger(trt.Logger.Severity.ERROR))
    network = builder.create_network(_strongly_typed(trt))
    assert network.get_flag(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


@only_1_4
def test_tensorrt_10_types_strongly_only_when_told():
    builder = trt.Builder(trt.Logger(trt.Logger.Severity.ERROR))
    assert hasattr(trt.BuilderFlag, "INT8")
    assert _strongly_typed(trt) != 0
    del builder


def test_it_builds_ahead_of_time():
    assert builds_ahead_of_time(trt)


@pytest.mark.parametrize(
    ("kind", "name", "arguments"), [row for table in (BUILD, AHEAD_OF_TIME, INSPECT, RUN) for row in each(table)]
)
def test_every_call_fits_a_signature(kind, name, arguments):
    assert accepts(getattr(getattr(trt, kind), name), arguments), getattr(getattr(trt, kind), name).__doc__


@pytest.mark.parametrize(
    ("kind", "name", "_"),
    [row for table in ATTRIBUTES for row in each(table)],
)
def test_every_attribute_is_there(kind, name, _):
    assert hasattr(getattr(trt, kind), name)


def test_the_tables_hold_just_what_the_sources_use():
    assert used_and_unlisted(trt) == set()
    assert listed_and_unused() == set()


def test_a_call_with_too_many_arguments_does_not_fit():
    assert not accepts(trt.Builder.build_serialized_network, 3)
    assert not accepts(trt.IExecutionContext.execute_async_v3, 0)


def test_severities_are_numbered_as_expected():
    assert [int(getattr(trt.ILogger.Severity, name)) for name in SEVERITIES] == list(range(5))
