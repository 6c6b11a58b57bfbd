"""Every call against TensorRT 10's own bindings, builder and parser included, without its libraries.

NVIDIA's libraries come from its own index; its bindings are wheels like others, and ask those libraries for a handful
of C functions when they are used. Empty functions of these names let them be imported, so that signatures can be read.
"""

from __future__ import annotations

import ctypes
import importlib
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import calls

if find_spec("tensorrt_bindings") is None:
    pytest.skip("no TensorRT bindings", allow_module_level=True)

LIBRARIES = ("libnvinfer.so.10", "libnvonnxparser.so.10", "libnvinfer_plugin.so.10")
FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
CALLS = [row for table in (calls.BUILD, calls.INSPECT, calls.RUN) for row in calls.each(table)]
ATTRIBUTES = (
    calls.BUILD_MEMBERS,
    calls.BUILD_PROPERTIES,
    calls.INSPECT_PROPERTIES,
    calls.RUN_MEMBERS,
    calls.RUN_PROPERTIES,
)


@pytest.fixture(scope="module")
def trt(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    directory: Path = tmp_path_factory.mktemp("libraries")
    source = directory / "empty.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
    for library in LIBRARIES:
        path = directory / library
        subprocess.run([compiler, "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", path, source], check=True)
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    return importlib.import_module("tensorrt_bindings")


@pytest.mark.parametrize(("kind", "name", "arguments"), CALLS)
def test_every_call_fits_a_signature(trt, kind, name, arguments):
    assert calls.accepts(getattr(getattr(trt, kind), name), arguments), getattr(getattr(trt, kind), name).__doc__


@pytest.mark.parametrize(("kind", "name", "_"), [row for table in ATTRIBUTES for row in calls.each(table)])
def test_every_attribute_is_there(trt, kind, name, _):
    assert hasattr(getattr(trt, kind), name)


def test_strong_types_are_asked_for(trt):
    assert hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def test_severities_are_numbered_as_expected(trt):
    assert [int(getattr(trt.ILogger.Severity, name)) for name in calls.SEVERITIES] == list(range(5))
