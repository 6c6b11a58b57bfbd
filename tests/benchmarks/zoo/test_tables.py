from benchmarks.zoo.networks import LAYER_NETS
from benchmarks.zoo.row import OURS, RIVAL
from benchmarks.zoo.tables import _middles


def row(network, at_one, at_large=None):
    ratios = {"1": [at_one, 0.0, 9.0]} | ({"32": [at_large, 0.0, 9.0]} if at_large else {})
    return {"network": network, "speed": {"over_fp32": {OURS: ratios, RIVAL: {"1": [at_one / 2, 0.0, 9.0]}}}}


def test_medians_are_of_the_networks_that_were_timed_with_their_number():
    rows = [row("resnet_v1", 2.0, 3.0), row("vit", 1.0), row(LAYER_NETS[0], 0.5), {"network": "gru", "speed": None}]
    lines = _middles(rows).splitlines()
    assert lines[2] == "| all | 1.00 (3) | 3.00 (1) | 0.50 (3) | – | – | – |"
    assert lines[3] == "| trained | 1.50 (2) | 3.00 (1) | 0.75 (2) | – | – | – |"
    assert lines[4] == "| around one layer | 0.50 (1) | – | 0.25 (1) | – | – | – |"
