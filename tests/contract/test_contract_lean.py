"""The runtime's calls against tensorrt-lean, which has TensorRT 10's and 11's runtime API and installs anywhere."""

from __future__ import annotations

import pytest

from tests.support.calls import RUN, RUN_MEMBERS, RUN_PROPERTIES, SEVERITIES, accepts, each

trt = pytest.importorskip("tensorrt_lean")


@pytest.mark.parametrize(("kind", "name", "arguments"), each(RUN))
def test_every_call_fits_a_signature(kind, name, arguments):
    if name == "create_engine_inspector":
        pytest.skip("the lean runtime names an inspector and has none")
    assert accepts(getattr(getattr(trt, kind), name), arguments), getattr(getattr(trt, kind), name).__doc__


@pytest.mark.parametrize(("kind", "name", "_"), [row for table in (RUN_PROPERTIES, RUN_MEMBERS) for row in each(table)])
def test_every_attribute_is_there(kind, name, _):
    assert hasattr(getattr(trt, kind), name)


def test_there_is_no_runtime_cache_to_ask_for():
    assert not hasattr(trt.IRuntimeConfig, "create_runtime_cache")
    assert not hasattr(trt.Runtime, "get_engine_validity")


def test_severities_are_numbered_as_expected():
    assert [int(getattr(trt.ILogger.Severity, name)) for name in SEVERITIES] == list(range(5))
