"""The logit error of the chosen table, on images that chose nothing."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from roundoff.calibration.minmax import MinMax
from roundoff.calibration.observing.calibrate import calibrate, image_indices
from roundoff.calibration.observing.judging import unseen
from roundoff.errors import CalibrationError
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from tests.support.calibration import outputs


def test_the_logit_error_is_of_the_table_on_images_that_chose_nothing(model_path, prepared):
    def quantize(model, table):
        return Int8(last_layer=True).convert(model, Grid("uint8", symmetric=False), table)

    outcome = calibrate(MinMax(images=64, held_out=40), model_path, prepared, quantize=quantize)
    seen, held_out = image_indices(MinMax(images=64, held_out=40), prepared, 300)
    in_test = prepared.manifest.duplicates.train_indices
    judged = unseen(300, seen, in_test, held_out)
    assert len(judged) == 40
    assert in_test
    assert not set(judged) & {*seen, *held_out, *in_test}
    model, images = onnx.load(model_path), np.asarray(prepared.split("train").images)[judged]
    exact, rounded = (outputs(graph, ["logits"], images)["logits"] for graph in (model, quantize(model, outcome.table)))
    expected = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    assert 0 < expected < 0.2
    assert outcome.metrics.logit_error == pytest.approx(expected, rel=1e-3)
    assert calibrate(MinMax(images=64), model_path, prepared).metrics.logit_error is None  # nothing to quantize by


def test_where_every_image_was_seen_the_held_out_ones_judge():
    held_out = np.array([3, 4])
    assert unseen(5, np.array([0, 1]), [2], held_out) is held_out
    assert list(unseen(6, np.array([0, 1]), [2], held_out)) == [5]


def test_a_graph_that_cannot_be_made_or_has_no_finite_answers_has_no_logit_error(model_path, prepared, caplog):
    def refused(model, table):
        raise CalibrationError("no 8 bits", received="a", expected="b", fix="c")

    def endless(model, table):
        graph = onnx.ModelProto()
        graph.CopyFrom(model)
        for tensor in graph.graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                tensor.CopyFrom(
                    numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(np.nan), tensor.name)
                )
        return graph

    for quantize in (refused, endless):
        assert calibrate(MinMax(images=64), model_path, prepared, quantize=quantize).metrics.logit_error is None
    assert "the 8-bit graph cannot be judged" in caplog.text
