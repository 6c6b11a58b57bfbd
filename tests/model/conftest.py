"""What the tests of ONNX files share."""

import onnx
import pytest

from roundoff.model.onnx_file import OnnxFile


@pytest.fixture
def saved(tmp_path):
    """Writes a graph to a file, and is given what the configuration says of it."""

    def save(model, **settings):
        onnx.save(model, tmp_path / "model.onnx")
        return OnnxFile(str(tmp_path / "model.onnx"), **settings)

    return save
