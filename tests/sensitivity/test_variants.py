import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roundoff.sensitivity.variants import rewired, with_versions
from tests.support.networks import run


def branching():
    """Pixels, twice as much, and where their sum is positive `doubled` itself, else its negative, from outside."""
    number = helper.make_tensor_value_info
    same = helper.make_node("Identity", ["doubled"], ["same"])
    keep = helper.make_graph([same], "keep", [], [number("same", TensorProto.FLOAT, None)])
    negate = helper.make_node("Neg", ["doubled"], ["negative"])
    other = helper.make_graph([negate], "negate", [], [number("negative", TensorProto.FLOAT, None)])
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Round", ["pixels"], ["rounded"], "round"),
        helper.make_node("Neg", ["pixels"], ["minus"], "minus"),
        helper.make_node("Mul", ["pixels", "two"], ["doubled"], "double"),
        helper.make_node("ReduceSum", ["pixels"], ["sum"], "sum", keepdims=0),
        helper.make_node("Less", ["sum", "limit"], ["small"], "less"),
        helper.make_node("If", ["small"], ["logits"], "if", then_branch=keep, else_branch=other),
    ]
    graph = helper.make_graph(
        nodes,
        "branching",
        [number("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [number("logits", TensorProto.FLOAT, ["N", 8, 8, 3])],
        [
            numpy_helper.from_array(np.array(2, np.float32), "two"),
            numpy_helper.from_array(np.array(1e9, np.float32), "limit"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
MINUS = {(3, 0): "minus"}


def test_what_a_body_reads_from_outside_is_of_its_version():
    graph = with_versions(branching(), [MINUS])
    onnx.checker.check_model(graph)
    own, version = run(graph, IMAGES)
    assert np.array_equal(own, 2.0 * IMAGES)
    assert np.array_equal(version, -2.0 * IMAGES)


def test_a_version_is_the_graph_rewired():
    assert np.array_equal(
        run(with_versions(branching(), [MINUS]), IMAGES)[1], run(rewired(branching(), MINUS), IMAGES)[0]
    )


def test_what_no_output_needs_is_left_out():
    names = {node.name for node in with_versions(branching(), []).graph.node}
    assert "round" not in names
    assert "if" in names


def test_the_graph_itself_stays_as_it_was():
    model = branching()
    with_versions(rewired(model, MINUS), [MINUS])
    assert model == branching()
