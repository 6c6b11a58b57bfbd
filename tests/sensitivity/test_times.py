import pytest

from roundoff.errors import ConfigError
from roundoff.results.layers import LayerRow, Profile, write_profile, write_rows
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
    write_profile(Profile(batch_size=1), path.with_name("profile.json"))
    return path


def gained(layers, backend="onnxruntime"):
    return gained_ns(layers, layers.with_name("profile.json"), backend, "int8", PRODUCTS)


def test_a_node_gains_what_it_takes_less_in_int8(layers):
    assert gained(layers)["conv1/Conv"] == pytest.approx(600_000)


def test_it_is_the_time_of_an_image(layers):
    write_profile(Profile(batch_size=32), layers.with_name("profile.json"))
    assert gained(layers)["conv1/Conv"] == pytest.approx(18_750)


def test_fused_nodes_share_their_time(layers):
    assert gained(layers)["conv2/Conv"] == pytest.approx(300_000)


def test_what_is_slower_in_int8_gains_nothing(layers):
    assert gained(layers)["conv3/Conv"] == 0


def test_without_times_of_both_precisions_it_is_refused(layers, tmp_path):
    with pytest.raises(ConfigError, match="without fp32 and int8 on litert"):
        gained(layers, "litert")
    with pytest.raises(ConfigError, match=r"no file(.|\n)*profile=on"):
        gained(tmp_path / "none.csv")


def test_times_of_an_unknown_batch_size_are_refused(layers):
    write_profile(Profile(), layers.with_name("profile.json"))
    with pytest.raises(ConfigError, match=r"profile.json without a batch size"):
        gained(layers)
    layers.with_name("profile.json").unlink()
    with pytest.raises(ConfigError, match=r"no file .*profile.json"):
        gained(layers)
