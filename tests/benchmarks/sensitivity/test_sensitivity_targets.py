"""What the benchmark of sensitivity asks of its result, and its tables."""

import copy

import pytest

from benchmarks.sensitivity.planted import NETWORKS
from benchmarks.sensitivity.tables import tables
from benchmarks.sensitivity.targets import targets


def planted(seed, first="bad"):
    return {"kind": "planted", "seed": seed, "planted": "bad", "first": first}


def network(name, **changes):
    shares = {"roundoff": 0.2, "nncf": 0.4, "noise": 0.5, "random": 0.6}
    return {
        "kind": "network",
        "network": name,
        "sources": 51,
        "images": 512,
        "error": 0.02,
        "root_sum_squares": 0.0201,
        "adds": True,
        "passes_per_half": 1.1,
        "seconds": 20.0,
        "test_images_used": 0,
        "false_claims": {"worst": 0.0, "any": 0.0, "shuffles": 100},
        "orders": {
            "agreement": 0.99,
            "seconds": {"roundoff": 10.0, "nncf": 60.0},
            "by_error": dict(shares),
            "by_agreement": dict(shares),
        },
        **changes,
    }


@pytest.fixture
def result():
    rows = [network(f"net{number}") for number in range(6)] + [network("resnet20")]
    ruined = network("ruined", error=0.6, root_sum_squares=0.9, adds=False)
    ruined["orders"]["agreement"] = 0.4
    return {"rows": [*(planted(seed) for seed in range(NETWORKS)), *rows, ruined]}


def missed(result):
    return [words for words, met in targets(result).items() if not met]


def test_a_good_result_misses_nothing(result):
    assert missed(result) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[0].update(first="other"), "a planted tensor comes first in 19 of 20"),
        (lambda rows: rows[25].update(root_sum_squares=0.023), "net5: the root of the sum of squares is +15.0 % off"),
        (lambda rows: rows[-1].update(adds=True), "ruined: INT8 errs by 60 %"),
        (lambda rows: rows[-1]["orders"].update(agreement=0.95), "INT8 ruins one of them (agreement below 0.9: none)"),
        (lambda rows: rows[21].update(passes_per_half=1.4), "net1: 1.40 half passes a source"),
        (lambda rows: rows[21].update(test_images_used=1), "net1: no test image was used"),
        (lambda rows: rows[26].update(seconds=31.0), "ResNet-20, 1,024 images: 62 s"),
        (lambda rows: rows[22].update(false_claims={"worst": 0.06}), "net2, labels permuted: a worst tensor in 6 %"),
    ],
)
def test_what_is_missed_is_named(result, change, words):
    change(result["rows"])
    assert [each for each in missed(result) if each.startswith(words)]


def test_a_rival_that_leaves_less_wide_is_a_miss(result):
    for row in result["rows"][NETWORKS:]:
        row["orders"]["by_error"]["noise"] = 0.1
    assert missed(result) == [
        "half the error: as few multiply-adds wide as noise's order on 0 of 8 networks, fewer in the mean"
    ]


def test_a_peer_that_was_not_there_is_a_miss(result):
    without = copy.deepcopy(result)
    for row in without["rows"][NETWORKS:]:
        row["orders"]["by_agreement"]["nncf"] = None
    assert [words for words in missed(without) if "nncf's order on 0 of 0" in words]
    assert "| net0 | 99.00 % | 20 % | – | 50 % | 60 %" in tables(without)
