"""Tensors of a .tflite model are found in the ONNX graph by their values, whatever the layout."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from roundoff.backend.tflite import matching
from roundoff.backend.tflite.matching import onnx_names
from roundoff.calibration.observing import observe
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.errors import CalibrationError
from roundoff.graph.observed import observed_tensors
from tests.support.exported import exported, residual, residual_source
from tests.support.networks import table_of


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return residual_source(tmp_path_factory)


def names(source, table=None):
    table = table or CalibrationTable.load(source.table)
    return onnx_names(source.tflite.read_bytes(), source.graph, table, source.calibration, 1)


def test_every_observed_tensor_of_a_residual_network_is_found_once(source):
    found = names(source)
    assert sorted(found.values()) == sorted(observed_tensors(onnx.load(source.graph)))


def test_large_images_that_are_observed_one_by_one_are_matched_alike(source, monkeypatch):
    together = names(source)
    monkeypatch.setattr(observe, "CHUNK_BYTES", 1)
    assert names(source) == together


def test_a_tensor_that_the_table_lacks_has_no_entry(source):
    table = CalibrationTable.load(source.table)
    dropped = next(name for name in table.ranges if name.startswith("first"))
    fewer = replace(table, ranges={name: each for name, each in table.ranges.items() if name != dropped})
    assert set(names(source).values()) - set(names(source, fewer).values()) == {dropped}


def test_a_table_of_another_graph_is_refused(source):
    table = CalibrationTable.load(source.table)
    other = replace(table, provenance=replace(table.provenance, model_sha256="0" * 64))
    with pytest.raises(CalibrationError, match="made from another model"):
        names(source, other)


def test_a_float_model_that_computes_otherwise_is_refused(source, tmp_path_factory):
    other = exported(residual(seed=1), tmp_path_factory.mktemp("other"))
    mixed = replace(source, tflite=other.tflite)
    with pytest.raises(CalibrationError, match="does not compute what the ONNX graph computes"):
        names(mixed)


def test_a_table_none_of_whose_tensors_are_found_is_refused(source):
    table = CalibrationTable.load(source.table)
    with pytest.raises(CalibrationError, match="no activation of the float model"):
        names(source, replace(table, ranges={}))


def test_values_are_compared_in_whatever_order():
    values = np.random.default_rng(0).normal(size=(4, 6, 5, 3)).astype(np.float32)
    known = {"turned": matching._sorted(values.transpose(0, 3, 1, 2)), "other": matching._sorted(values * 1.01)}
    assert matching._nearest(matching._sorted(values), known) == "turned"
    assert matching._nearest(matching._sorted(values * 1.1), known) is None


def test_the_table_is_of_the_exported_graph(source):
    assert CalibrationTable.load(source.table) == table_of(onnx.load(source.graph))
