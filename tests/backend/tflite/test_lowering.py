"""INT8 on LiteRT: ranges from the table, biases corrected, and what a precision's switches leave in float32."""

from dataclasses import replace

import numpy as np
import pytest

from roundoff.backend.tflite.backend import LiteRT
from roundoff.backend.tflite.bias import with_corrected_biases
from roundoff.backend.tflite.lowering import lowered
from roundoff.backend.tflite.observing import activations, observed
from roundoff.calibration.base import Choice
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.errors import CalibrationError
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.graph.grid import grid_for
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_int16 import Int8Int16
from roundoff.results.message import message
from tests.support.exported import residual_source
from tests.support.present import present


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return replace(residual_source(tmp_path_factory), precision=Int8())


def grids(content):
    """Scale and zero point of the 8-bit activations, by name."""
    graph = TfliteGraph.read(content)
    made = {int(tensor) for each in graph.operators for tensor in each.outputs}
    return {graph.name(tensor): graph.grid(tensor) for tensor in made if graph.kind(tensor) == "INT8"}


def types(content, kinds=("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")):
    return [weights for weights, _ in TfliteGraph.read(content).products(kinds)]


def with_ranges(source, tmp_path, change):
    table = CalibrationTable.load(source.table)
    replace(table, ranges={name: change(name, each) for name, each in table.ranges.items()}).save(tmp_path / "t.json")
    return replace(source, table=tmp_path / "t.json")


def test_activations_span_the_asymmetric_choice_of_the_table(source, tmp_path):
    table = CalibrationTable.load(source.table)
    clipped = {name: (each.low / 3, each.high / 2) for name, each in table.ranges.items()}
    asked = with_ranges(
        source, tmp_path, lambda name, each: replace(each, asymmetric=Choice(*clipped[name], "mse", 0.01))
    )
    wanted = [grid_for(*ends, "int8", symmetric=False) for ends in clipped.values()]
    held = {name: grid for name, grid in grids(lowered(asked, 1)[0]).items() if "rescaling" not in name}  # the pixels
    assert held
    for name, (scale, zero) in held.items():
        assert any(np.isclose(scale, one, rtol=1e-4) and abs(zero - other) <= 1 for one, other in wanted), name


def test_a_tensor_without_an_entry_gets_its_own_extremes_and_is_counted(source, tmp_path):
    table = CalibrationTable.load(source.table)
    fewer = {name: each for name, each in table.ranges.items() if not name.startswith("joined")}
    replace(table, ranges=fewer).save(tmp_path / "t.json")
    content, notes = lowered(replace(source, table=tmp_path / "t.json"), 1)
    seen = observed(source.tflite.read_bytes(), source.calibration, 1).ends
    name = next(name for name in seen if "joined" in name)
    count = len(grids(content)) - 1
    assert notes == [message("table_ranges", count=count), message("own_ranges", count=1, names=[name])]
    low, high = seen[name]
    assert present(grids(content)[name])[0] == pytest.approx((max(high, 0) - min(low, 0)) / 255, rel=1e-5)


def test_with_an_entry_for_each_nothing_is_said_of_own_ranges(source):
    assert [note.code for note in lowered(source, 1)[1]] == ["table_ranges"]


@pytest.mark.parametrize(
    ("precision", "wanted"),
    [
        (Int8(), ["int8", "int8", "int8", "float32"]),
        (Int8(last_layer=True), ["int8"] * 4),
        (Int8(first_layer=False), ["float32", "int8", "int8", "float32"]),
        (Int8(exclude_types=["Conv"], last_layer=True), ["float32", "float32", "float32", "int8"]),
        (Int8(exclude_nodes=["branch*"]), ["int8", "float32", "int8", "float32"]),
        (Int8(exclude_nodes=["depthwise/*/W"]), ["int8", "int8", "float32", "float32"]),
        (Int8Int16(), ["int8"] * 4),
    ],
)
def test_switches_leave_layers_in_float32(source, precision, wanted):
    assert types(lowered(replace(source, precision=precision), 1)[0]) == wanted


@pytest.mark.parametrize(
    ("precision", "adds"), [(Int8(), 1), (Int8(residual=False), 0), (Int8(exclude_nodes=["add/*"]), 0)]
)
def test_a_residual_add_can_be_left_in_float32(source, precision, adds):
    graph = TfliteGraph.read(lowered(replace(source, precision=precision), 1)[0])
    found = [graph.kind(int(each.outputs[0])) for each in graph.operators if graph.operator(each) == "ADD"]
    assert found.count("INT8") == adds


@pytest.mark.parametrize(("precision", "types"), [(Int8(), {"FLOAT32"}), (Int8Int16(last_layer=True), {"INT16"})])
def test_the_pooling_in_front_of_a_last_layer_in_float32_is_too(source, precision, types):
    graph = TfliteGraph.read(lowered(replace(source, precision=precision), 1)[0])
    assert {graph.kind(int(each.outputs[0])) for each in graph.operators if graph.operator(each) == "MEAN"} == types


def test_a_name_that_excludes_nothing_is_told(source):
    notes = lowered(replace(source, precision=Int8(exclude_nodes=["nowhere"])), 1)[1]
    assert {"names": ["nowhere"]} in [note.values for note in notes]


def test_bias_correction_restores_the_mean_outputs_of_rounded_weights(source):
    content, images = source.tflite.read_bytes(), source.calibration
    seen = observed(content, images, 1)
    means = {}
    for label, start in (("plain", content), ("corrected", with_corrected_biases(content, seen))):
        graph = TfliteGraph.read(start)
        for each in graph.operators:
            if graph.operator(each) in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                weight = present(graph.constant(int(each.inputs[1])))
                channels = (0, 1, 2) if graph.operator(each) == "DEPTHWISE_CONV_2D" else (1, 2, 3)
                scale = np.abs(weight).max(axis=channels, keepdims=True) / 127
                graph.set_constant(each, 1, (np.rint(weight / scale) * scale).astype(np.float32))
        tensors = next(activations(graph.packed(), images, len(images), 1))
        means[label] = tensors[graph.name(graph.outputs[0])].mean(axis=0)
    wanted = next(activations(content, images, len(images), 1))[TfliteGraph.read(content).name(graph.outputs[0])]
    errors = {label: np.abs(each - wanted.mean(axis=0)).max() for label, each in means.items()}
    assert errors["corrected"] < errors["plain"] / 2


def test_one_source_gives_the_same_bytes(source):
    assert lowered(source, 1)[0] == lowered(source, 1)[0]


def test_int8_without_a_table_is_refused(source):
    with pytest.raises(CalibrationError, match="needs a calibration table"):
        lowered(replace(source, table=None), 1)


def test_int8_answers_as_fp32_does(source, tmp_path):
    answers = {}
    for name, precision in (("fp32", Fp32()), ("int8", Int8())):
        (tmp_path / name).mkdir()
        LiteRT(threads=1).build(replace(source, precision=precision), tmp_path / name)
        with LiteRT(threads=1).load(tmp_path / name) as runner:
            answers[name] = runner.infer(source.calibration)
    error = np.linalg.norm(answers["int8"] - answers["fp32"]) / np.linalg.norm(answers["fp32"])
    assert error < 0.03
