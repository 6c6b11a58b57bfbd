"""Calibration as a whole, on a real network."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import onnx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from roundoff.calibration.best import Best
from roundoff.calibration.entropy import Entropy
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError
from roundoff.calibration.observing import observe
from roundoff.calibration.observing.calibrate import calibrate
from roundoff.calibration.observing.guards import FEWEST_IMAGES
from roundoff.calibration.observing.noise import measure_noise
from roundoff.calibration.observing.observe import histograms, stride_for
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.calibration.percentile import Percentile
from roundoff.errors import CalibrationError
from roundoff.graph.grid import fake_quantize
from roundoff.graph.observed import observed_tensors
from roundoff.graph.queries import model_hash
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.results.checked import as_json, checked
from roundoff.results.message import message
from roundoff.results.preparation import CalibrationMetrics
from tests.support.calibration import network, outputs
from tests.support.places import ROOT
from tests.support.present import present

METHODS = [MinMax, Percentile, Entropy, MeanSquaredError, Best]


def test_inputs_of_computing_operators_are_observed_and_what_relu_swallows_is_not():
    assert observed_tensors(network()) == ["planes", "relu1", "projected", "conv2", "relu2", "features"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 76), max_size=6))
def test_ranges_are_the_same_to_the_last_bit_for_any_split_into_batches(prepared, cuts):
    images = np.asarray(prepared.split("train").images[:77])
    model, names = network(), observed_tensors(network())
    whole = histograms(model, names, [images])
    cut = histograms(model, names, np.split(images, sorted(set(cuts))))
    for name in names:
        assert np.array_equal(whole[name].counts, cut[name].counts)
        assert (whole[name].low, whole[name].high) == (cut[name].low, cut[name].high)
        assert whole[name].channel_means() == cut[name].channel_means()


def test_counts_of_strided_tensors_are_the_same_for_any_split_into_batches(prepared):
    images = np.asarray(prepared.split("train").images[:77])
    model = network(width=96)
    assert stride_for((96, 12, 12)) > 1
    names = observed_tensors(model)
    whole = histograms(model, names, [images])
    for cuts in ([1], [5, 37, 64], range(1, 77)):
        cut = histograms(model, names, np.split(images, list(cuts)))
        assert all(np.array_equal(whole[name].counts, cut[name].counts) for name in names)
        assert [(h.low, h.high, h.total) for h in whole.values()] == [(h.low, h.high, h.total) for h in cut.values()]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_the_table_does_not_depend_on_the_batch_size(model_path, prepared, method):
    calibrator = method(images=70, held_out=33)
    one = calibrate(calibrator, model_path, prepared)
    other = calibrate(replace(calibrator, batch_size=9), model_path, prepared)
    assert one.table.ranges == other.table.ranges
    assert one.noise == other.noise


def padded_network():
    """The network with a Mul by the number of images, and a pool over a map that is padded with -inf."""
    model = network()
    nodes = model.graph.node
    extra = [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["sizes"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["sizes"], ["largest"], keepdims=0),
        helper.make_node("Div", ["largest", "largest"], ["one"]),
        helper.make_node("Mul", ["relu2", "one"], ["same"], "same"),
        helper.make_node("Pad", ["same", "pads", "lowest"], ["padded"], "pad"),
        helper.make_node("MaxPool", ["padded"], ["pooled"], "pool", kernel_shape=[3, 3]),
    ]
    place = next(i for i, node in enumerate(nodes) if node.op_type == "ReduceMean")
    nodes[place].input[0] = "pooled"
    for offset, node in enumerate(extra):
        nodes.insert(place + offset, node)
    constants = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "lowest": np.float32(-np.inf)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())
    return model


@pytest.mark.parametrize("method", [MinMax, MeanSquaredError], ids=lambda method: method.name)
def test_what_no_rule_quantizes_is_skipped_with_a_note(tmp_path, prepared, method):
    onnx.save(padded_network(), tmp_path / "padded.onnx")
    outcome = calibrate(method(images=50), tmp_path / "padded.onnx", prepared)
    assert set(observed_tensors(padded_network())) - outcome.table.ranges.keys() == {"one", "padded"}
    (told,) = [str(one) for one in outcome.metrics.findings if "no rule quantizes" in str(one)]
    assert told.endswith("one, padded")
    Int8().convert(padded_network(), Grid(), outcome.table)


def test_what_a_rule_quantizes_has_to_be_finite(tmp_path, prepared):
    model = network()
    bias = next(i for i in model.graph.initializer if i.name == "b1")
    bias.CopyFrom(numpy_helper.from_array(np.full(8, np.inf, np.float32), "b1"))
    onnx.save(model, tmp_path / "infinite.onnx")
    with pytest.raises(CalibrationError, match="tensor relu1 is not finite"):
        calibrate(MinMax(images=50), tmp_path / "infinite.onnx", prepared)


def test_minmax_gives_the_extremes_of_every_tensor(model_path, prepared):
    table = calibrate(MinMax(images=50), model_path, prepared).table
    images = prepared.split("train").images[prepared.calibration_indices(50)]
    for name, values in outputs(network(), list(table.ranges), images).items():
        assert table.ranges[name].low == pytest.approx(values.min(), rel=1e-5, abs=1e-6)
        assert table.ranges[name].high == pytest.approx(values.max(), rel=1e-5)
        assert table.ranges[name].clipped_fraction == 0


def test_what_a_conv_takes_has_its_channels_means_in_the_table(model_path, prepared):
    table = calibrate(MinMax(images=50), model_path, prepared).table
    images = prepared.split("train").images[prepared.calibration_indices(50)]
    taken = {node.input[0] for node in network().graph.node if node.op_type == "Conv"}
    assert {name for name, seen in table.ranges.items() if seen.channel_means is not None} == taken
    for name, values in outputs(network(), sorted(taken), images).items():
        assert table.ranges[name].channel_means == pytest.approx(values.mean(axis=(0, 2, 3)), rel=1e-5, abs=1e-6)


def test_means_are_taken_of_the_first_images_alone(prepared, monkeypatch):
    monkeypatch.setattr(observe, "MEAN_IMAGES", 40)
    images = np.asarray(prepared.split("train").images[:200])
    seen = histograms(network(), ["planes"], [images])["planes"]
    assert 40 <= seen.images < 80
    assert seen.channel_means() == pytest.approx(
        outputs(network(), ["planes"], images[: seen.images])["planes"].mean(axis=(0, 2, 3))
    )


def test_the_table_states_where_it_comes_from(model_path, prepared, tmp_path):
    table = calibrate(Entropy(images=64), model_path, prepared).table
    told = table.provenance
    assert told.model_sha256 == model_hash(onnx.load(model_path))
    assert told.image_indices == prepared.calibration_indices(64).tolist()
    assert told.seed == 3
    assert told.method == "entropy"
    assert present(told.preprocessing)[0] == "Cast"
    assert set(present(told.versions)) >= {"onnx", "onnxruntime", "numpy"}
    table.save(tmp_path / "table.json")
    assert CalibrationTable.load(tmp_path / "table.json") == table


def test_noise_is_measured_on_held_out_images_worst_first(model_path, prepared):
    outcome = calibrate(MinMax(images=100, held_out=40), model_path, prepared)
    ratios = [row.sqnr_db for row in outcome.noise]
    assert ratios == sorted(ratios)
    assert {row.tensor for row in outcome.noise if row.kind == "weight"} == {"w1", "w2", "w3", "dense"}
    rest = np.setdiff1d(np.arange(300), [*prepared.calibration_indices(100), 7, 250])
    images = prepared.split("train").images[rest[np.linspace(0, 198, 40, endpoint=False).astype(int)]]
    values = outputs(network(), ["relu1"], images)["relu1"]
    seen = outcome.table.ranges["relu1"]
    error = values - fake_quantize(values, np.float32(seen.high / 127))
    expected = 10 * np.log10(np.square(values, dtype=float).sum() / np.square(error, dtype=float).sum())
    assert next(row for row in outcome.noise if row.tensor == "relu1").sqnr_db == pytest.approx(expected, 1e-4)


def test_the_worst_noise_is_that_of_a_tensor_in_8_bits(model_path, prepared):
    model = onnx.load(model_path)
    outcome = calibrate(MinMax(images=64), model_path, prepared, Int8().quantized_tensors)
    inside = {row.tensor for row in outcome.noise if row.quantized}
    assert inside == Int8().quantized_tensors(model) == {"planes", "relu1", "projected", "w1", "w2", "w3"}
    assert {"features", "dense", "relu2"} <= {row.tensor for row in outcome.noise}
    assert outcome.metrics.worst_sqnr_db == min(row.sqnr_db for row in outcome.noise if row.quantized)
    nothing = calibrate(MinMax(images=64), model_path, prepared, lambda model: set())
    assert nothing.metrics.worst_sqnr_db is None
    assert [replace(row, quantized=False) for row in outcome.noise] == nothing.noise


def test_held_out_images_are_neither_calibration_nor_test_images(model_path, prepared):
    told = calibrate(MinMax(images=64, held_out=1000), model_path, prepared).table.provenance
    rest = np.setdiff1d(np.arange(300), [*prepared.calibration_indices(64), 7, 250])
    assert told.held_out_indices_sha256 == hashlib.sha256(rest.astype("<i8").tobytes()).hexdigest()
    pixels = np.ascontiguousarray(prepared.split("train").images[rest])
    assert told.held_out_sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()


def test_only_a_method_that_compares_them_counts_held_out_images(model_path, prepared, monkeypatch):
    counted = []

    def counting(*arguments):
        counted.append(arguments)
        return histograms(*arguments)

    monkeypatch.setattr("roundoff.calibration.observing.calibrate.histograms", counting)
    calibrate(Entropy(images=64), model_path, prepared)
    assert len(counted) == 1
    calibrate(Best(images=64), model_path, prepared)
    assert len(counted) == 3


def test_a_held_out_image_that_overflows_names_the_tensor(model_path, prepared):
    model, names = onnx.load(model_path), ["relu1"]
    ranges = calibrate(MinMax(images=64), model_path, prepared).table.ranges
    model.graph.initializer[3].CopyFrom(onnx.numpy_helper.from_array(np.full(8, np.inf, np.float32), "b1"))
    with pytest.raises(CalibrationError, match="tensor relu1 is not finite"):
        measure_noise(model, {name: ranges[name] for name in names}, [prepared.split("train").images[:4]])


def test_metrics_are_json_with_the_warnings(model_path, prepared):
    metrics = calibrate(Entropy(images=20), model_path, prepared).metrics
    told = json.loads(json.dumps(as_json(metrics), allow_nan=False))
    assert checked(CalibrationMetrics, told, "calibrate.json") == metrics
    assert told["noise"] == [asdict(row) for row in present(metrics.noise)]
    few = message("guard_found", guard="count", text=message("few_images", images=20, fewest=FEWEST_IMAGES))
    assert as_json(few) in told["warnings"]
    assert metrics.worst_sqnr_db == present(metrics.noise)[0].sqnr_db
    assert all(row.quantized for row in present(metrics.noise))


def test_test_images_stop_the_calibration(model_path, prepared):
    test = np.load(prepared.directory / "test_images.npy")
    train = np.load(prepared.directory / "train_images.npy")
    train[prepared.calibration_indices(1)[0]] = test[0]
    np.save(prepared.directory / "train_images.npy", train)
    with pytest.raises(CalibrationError, match="1 of 64 calibration images are in the test split"):
        calibrate(MinMax(images=64), model_path, prepared)


def test_a_model_that_overflows_names_the_tensor(prepared, tmp_path):
    model = network()
    model.graph.node[1].op_type = "Div"
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.zeros(3, np.float32), "factor"))
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(CalibrationError, match="tensor planes is not finite"):
        calibrate(MinMax(images=40), tmp_path / "bad.onnx", prepared)


def test_a_float_input_is_refused(prepared, tmp_path):
    model = network()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 12, 12, 3]))
    onnx.save(model, tmp_path / "float.onnx")
    with pytest.raises(CalibrationError, match="does not take images as roundoff feeds them"):
        calibrate(MinMax(images=40), tmp_path / "float.onnx", prepared)


def test_more_images_than_the_training_split_leaves_are_refused(model_path, prepared):
    with pytest.raises(CalibrationError, match="298 calibration images of 300 training images, 2 in the test split"):
        calibrate(MinMax(images=298), model_path, prepared)


def test_a_damaged_table_is_refused(tmp_path):
    (tmp_path / "table.json").write_text('{"format": 2, "ranges": {"a": {"low": 1}}, "provenance": {}}')
    with pytest.raises(CalibrationError, match="cannot read the calibration table"):
        CalibrationTable.load(tmp_path / "table.json")
    (tmp_path / "table.json").write_text('{"format": 99, "ranges": {"a": {"new key": 1}}}')
    with pytest.raises(CalibrationError, match="another format"):
        CalibrationTable.load(tmp_path / "table.json")


def test_builds_from_a_table_depend_on_the_code_that_reads_it():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    readers = {name: stage.get("do", stage)["deps"] for name, stage in stages.items() if name.startswith("build-")}
    using = {name: deps for name, deps in readers.items() if "${paths.calibration}" in deps}
    assert set(using) >= {"build-int8", "build-more"}
    reader = "src/roundoff/calibration/base.py"
    assert all(any(reader.startswith(dep) for dep in deps) for deps in using.values())
    assert all("src/roundoff/precision" in deps for deps in using.values())
