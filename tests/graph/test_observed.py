"""Whatever a precision may hand to an 8-bit kernel is observed."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.graph.observed import observed_tensors
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from tests.support.networks import pictures, relative_error, run, table_of

RANDOM = np.random.default_rng(0)
BY_CHANNEL = RANDOM.uniform(0.5, 1.5, (4, 1, 1)).astype(np.float32)
NORMAL = [RANDOM.uniform(0.5, 1.5, 4).astype(np.float32) for _ in range(4)]


def network(*between):
    """Image uint8 [N, 8, 8, 3] → Conv → `between`, (operator, constants) each → Transpose → Conv → logits [N, 10]."""
    weights = {
        "first": RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32) / 300,
        "second": RANDOM.normal(size=(10, 4, 8, 8)).astype(np.float32) / 16,
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], "planes", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["conv"], "conv", pads=[1, 1, 1, 1]),
    ]
    last = "conv"
    for number, (operator, constants) in enumerate(between):
        names = [f"c{number}_{place}" for place in range(len(constants))]
        weights |= dict(zip(names, constants, strict=True))
        nodes.append(helper.make_node(operator, [last, *names], [f"between{number}"], f"between{number}"))
        if operator == "MaxPool":
            nodes[-1].attribute.append(helper.make_attribute("kernel_shape", [1, 1]))
        last = f"between{number}"
    nodes += [
        helper.make_node("Transpose", [last], ["turned"], "turned", perm=[0, 1, 3, 2]),
        helper.make_node("Conv", ["turned", "second"], ["answers"], "answers"),
        helper.make_node("Flatten", ["answers"], ["logits"], "flatten"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(
    "between",
    [
        [("BatchNormalization", NORMAL), ("BatchNormalization", NORMAL)],
        [("BatchNormalization", NORMAL), ("Relu", [])],
        [("BatchNormalization", NORMAL), ("Mul", [np.float32(0.5)])],
        [("Relu", []), ("Mul", [BY_CHANNEL])],
        [("Relu", []), ("Add", [BY_CHANNEL])],
        [("Relu", []), ("Mul", [BY_CHANNEL]), ("Add", [BY_CHANNEL])],
    ],
    ids=lambda between: " ".join(operator for operator, _ in between),
)
@pytest.mark.parametrize("grid", [Grid(), OnnxRuntime.grid], ids=["tensorrt", "onnxruntime"])
def test_a_range_is_known_of_all_that_int8_quantizes(between, grid):
    model = network(*between)
    int8 = Int8(last_layer=True).convert(model, grid, table_of(model))
    assert relative_error(run(int8, pictures())[0], run(model, pictures())[0]) < 0.05


def test_what_an_operator_moved_needs_no_range_of_its_own():
    model = network(("MaxPool", []), ("BatchNormalization", NORMAL))
    table = table_of(model)
    del table.ranges["between0"]  # as in a table of before
    int8 = Int8(last_layer=True).convert(model, OnnxRuntime.grid, table)
    assert relative_error(run(int8, pictures())[0], run(model, pictures())[0]) < 0.05


def test_a_batch_norms_input_and_output_are_observed():
    names = observed_tensors(network(("BatchNormalization", NORMAL), ("BatchNormalization", NORMAL)))
    assert names == ["planes", "conv", "between0", "between1", "turned", "answers"]
