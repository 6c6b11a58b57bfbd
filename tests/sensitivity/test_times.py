import pytest

from roundoff.errors import ConfigError
from roundoff.sensitivity.times import gained_ns

HEAD = "backend,precision,layer,node,type,timeMs,averageMs,medianMs,percentage,macs,bytes\n"
ROWS = """onnxruntime,fp32,a,conv1/Conv;relu1/Relu,Conv,90,0.9,0.9,50,1,1
onnxruntime,fp32,b,conv2/Conv;conv3/Conv,Conv,80,0.8,0.8,50,1,1
onnxruntime,int8,a,conv1/Conv,QLinearConv,30,0.3,0.3,50,1,1
onnxruntime,int8,b,conv2/Conv,QLinearConv,10,0.1,0.1,50,1,1
onnxruntime,int8,c,conv3/Conv,Conv,50,0.5,0.5,50,1,1
litert,fp32,a,conv1/Conv,Conv,1,9,9,50,1,1
"""
PRODUCTS = ("conv1/Conv", "conv2/Conv", "conv3/Conv")


@pytest.fixture
def layers(tmp_path):
    path = tmp_path / "layers.csv"
    path.write_text(HEAD + ROWS)
    return path


def test_a_node_gains_what_it_takes_less_in_int8(layers):
    assert gained_ns(layers, "onnxruntime", PRODUCTS)["conv1/Conv"] == pytest.approx(600_000)


def test_fused_nodes_share_their_time(layers):
    assert gained_ns(layers, "onnxruntime", PRODUCTS)["conv2/Conv"] == pytest.approx(300_000)


def test_what_is_slower_in_int8_gains_nothing(layers):
    assert gained_ns(layers, "onnxruntime", PRODUCTS)["conv3/Conv"] == 0


def test_without_times_of_both_precisions_it_is_refused(layers, tmp_path):
    with pytest.raises(ConfigError, match="without fp32 and int8 on litert"):
        gained_ns(layers, "litert", PRODUCTS)
    with pytest.raises(ConfigError, match=r"no file(.|\n)*profile=on"):
        gained_ns(tmp_path / "none.csv", "onnxruntime", PRODUCTS)
