"""TensorRT's packages: found, missing, broken, too old."""

from __future__ import annotations

import sys

import pytest

from roundoff.backend.trt.library import import_tensorrt
from roundoff.errors import BuildError


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(
        BuildError, match=r"tensorrt is not installed.*\n.*\n.*\n  fix:      pip install 'tensorrt>=10\.11,<12'$"
    ):
        import_tensorrt("tensorrt")


@pytest.mark.parametrize(
    ("stub", "words"),
    [
        ("raise OSError('libnvinfer.so.11: cannot open shared object file')", r"libnvinfer\.so\.11: cannot open"),
        ("raise ImportError", "ImportError"),
        ("import tensorrt_bindings_of_nowhere", "No module named 'tensorrt_bindings_of_nowhere'"),
        ("raise RuntimeError('no CUDA driver')", "no CUDA driver"),
    ],
)
def test_libraries_that_do_not_load_are_an_error(stub, words, importing):
    with pytest.raises(BuildError, match=rf"does not load, or not all of its libraries\n  received: {words}") as error:
        importing(stub)
    assert error.value.fix.endswith("--force-reinstall")


def test_too_old_a_version_is_an_error(importing):
    with pytest.raises(BuildError, match=r"too old\n  received: version 10\.10\.0\.31\n  expected: .*10\.11 or later"):
        importing("__version__ = '10.10.0.31'")
    assert importing("__version__ = '10.11.0.33'").__version__ == "10.11.0.33"


@pytest.fixture
def importing(tmp_path, monkeypatch):
    def run(stub: str):
        (tmp_path / "tensorrt.py").write_text(stub)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        return import_tensorrt("tensorrt")

    yield run
    sys.modules.pop("tensorrt", None)
