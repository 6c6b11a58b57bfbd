"""What cells are built from."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.cells.inputs import Inputs
from tests.cells.copying import MACHINE


@pytest.fixture
def inputs(tmp_path):
    value = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 2, 2, 3])
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2, 2, 3])
    node = helper.make_node("Cast", ["image"], ["logits"], to=TensorProto.FLOAT)
    onnx.save(helper.make_model(helper.make_graph([node], "original", [value], [result])), tmp_path / "model.onnx")
    (tmp_path / "model.keras").write_bytes(b"keras")
    ranges = {"logits": TensorRange(0.0, 1.0, 0.0, 1.0, "minmax", 0.0)}
    CalibrationTable(ranges, Provenance(method="minmax")).save(tmp_path / "table.json")
    images = np.zeros((2, 2, 2, 3), np.uint8)
    return Inputs(tmp_path / "model.onnx", tmp_path / "model.keras", tmp_path / "table.json", images, MACHINE)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "engines" / "fp32" / "copying"
