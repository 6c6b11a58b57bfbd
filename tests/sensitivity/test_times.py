import pytest

from roundoff.errors import ConfigError
from roundoff.results.layers import LayerRow, write_rows
from roundoff.sensitivity.times import gained_ns

ROWS = [
    ("onnxruntime", "fp32", ("conv1/Conv", "relu1/Relu"), 0.9),
    ("onnxruntime", "fp32", ("conv2/Conv", "conv3/Conv"), 0.8),
    ("onnxruntime", "int8", ("conv1/Conv",), 0.3),
    ("onnxruntime", "int8", ("conv2/Conv",), 0.1),
    ("onnxruntime", "int8", ("conv3/Conv",), 0.5),
    ("litert", "fp32", ("conv1/Conv",), 9.0),
]
PRODUCTS = ("conv1/Conv", "conv2/Conv", "conv3/Conv")


@pytest.fixture
def layers(tmp_path):
    path = tmp_path / "layers.csv"
    rows = [
        LayerRow(backend=backend, precision=precision, nodes=nodes, average_ms=time)
        for backend, precision, nodes, time in ROWS
    ]
    write_rows(rows, path)
    return path


def test_a_node_gains_what_it_takes_less_in_int8(layers):
    assert gained_ns(layers, "onnxruntime", "int8", PRODUCTS)["conv1/Conv"] == pytest.approx(600_000)


def test_fused_nodes_share_their_time(layers):
    assert gained_ns(layers, "onnxruntime", "int8", PRODUCTS)["conv2/Conv"] == pytest.approx(300_000)


def test_what_is_slower_in_int8_gains_nothing(layers):
    assert gained_ns(layers, "onnxruntime", "int8", PRODUCTS)["conv3/Conv"] == 0


def test_without_times_of_both_precisions_it_is_refused(layers, tmp_path):
    with pytest.raises(ConfigError, match="without fp32 and int8 on litert"):
        gained_ns(layers, "litert", "int8", PRODUCTS)
    with pytest.raises(ConfigError, match=r"no file(.|\n)*profile=on"):
        gained_ns(tmp_path / "none.csv", "onnxruntime", "int8", PRODUCTS)
