"""Which nodes an optimized graph's nodes stand for, where it fused, renamed, replaced and added."""

from onnx import TensorProto, helper

from roundoff.graph.covering import covering


def graph(*nodes):
    """Of (operator, inputs, output): each node is named after its output, with a prefix."""
    made = [helper.make_node(kind, reads, [gives], f"n_{gives}") for kind, reads, gives in nodes]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    return helper.make_graph(made, "g", [value], [value])


SOURCE = graph(
    ("Conv", ["x", "w"], "a"),
    ("Relu", ["a"], "b"),
    ("Conv", ["b", "v"], "c"),
    ("Add", ["c", "b"], "d"),
    ("Relu", ["d"], "e"),
)


def test_a_convolution_takes_what_follows_it_and_is_taken_by_what_it_is_called_after():
    running = graph(("Conv", ["x", "r0"], "b"), ("Conv", ["t0", "r1"], "c"))
    assert covering(SOURCE, running, {}) == {"n_b": ("n_a", "n_b"), "n_c": ("n_c", "n_d", "n_e")}


def test_names_are_known_again_after_renaming():
    running = graph(("Conv", ["x", "r0"], "other"), ("Conv", ["t0", "r1"], "another"))
    found = covering(SOURCE, running, {"n_other": "n_b", "n_another": "n_c"})
    assert found == {"n_other": ("n_a", "n_b"), "n_another": ("n_c", "n_d", "n_e")}


def test_a_node_may_be_called_after_the_tensor_that_it_gave():
    source = graph(("Conv", ["x", "w"], "a"), ("Relu", ["a"], "b"))
    running = graph(("Conv", ["x", "r0"], "new"), ("ReorderOutput", ["new"], "b"))
    running.node[0].name, running.node[1].name = "b_nchwc", "reordered"
    assert covering(source, running, {"b_nchwc": "b"}) == {"b_nchwc": ("n_a", "n_b"), "reordered": ()}


def test_what_has_a_new_name_is_known_by_the_tensor_that_it_gives():
    source = graph(("Conv", ["x", "w"], "a"), ("Sigmoid", ["a"], "s"), ("Mul", ["a", "s"], "m"), ("Relu", ["m"], "r"))
    running = graph(("Conv", ["x", "w"], "a"), ("QuickGelu", ["a"], "m"), ("Relu", ["m"], "r"))
    running.node[1].name = "fused"
    assert covering(source, running, {}) == {"n_a": ("n_a",), "fused": ("n_s", "n_m"), "n_r": ("n_r",)}


def test_a_dequantization_belongs_to_what_reads_it_and_a_quantization_to_what_it_reads():
    source = graph(
        ("QuantizeLinear", ["x"], "q"),
        ("DequantizeLinear", ["q"], "dq"),
        ("DequantizeLinear", ["w8"], "w"),
        ("Conv", ["dq", "w"], "c"),
        ("QuantizeLinear", ["c"], "cq"),
    )
    running = graph(("QuantizeLinear", ["x"], "q"), ("QLinearConv", ["q", "w8"], "c"))
    assert covering(source, running, {}) == {"n_q": ("n_q",), "n_c": ("n_dq", "n_w", "n_c", "n_cq")}


def test_what_the_optimizer_has_added_stands_for_nothing():
    running = graph(("Conv", ["x", "w"], "b"), ("ReorderOutput", ["b"], "new"), ("Conv", ["new", "v"], "c"))
    assert covering(SOURCE, running, {})["n_new"] == ()
