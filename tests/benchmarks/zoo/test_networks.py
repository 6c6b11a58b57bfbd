"""The networks of the zoo: enough, there, and small."""

from __future__ import annotations

import json

from benchmarks.export.nets import LAYERS
from benchmarks.zoo.networks import ELSEWHERE, LAYER_NETS, MODELS, NETWORKS
from benchmarks.zoo.targets import FEWEST
from benchmarks.zoo.train import MOST_MB
from benchmarks.zoo.trained import TORCH, TRAINED


def test_there_are_enough_and_their_files_are_there():
    assert len(NETWORKS) >= FEWEST
    missing = [network.path for network in NETWORKS.values() if network.path and not network.path.exists()]
    assert missing == []
    assert all(path.exists() for path in ELSEWHERE.values())
    assert set(LAYER_NETS) <= LAYERS.keys()


def test_the_files_are_small_and_how_they_were_trained_is_told():
    told = json.loads((MODELS / "zoo" / "trained.json").read_text())
    assert told["members"].keys() == {*TRAINED, *TORCH}
    assert all(member["fitted"]["accuracy"] > 0.6 for member in told["members"].values())
    assert sum(path.stat().st_size for path in (MODELS / "zoo").rglob("*.*")) <= MOST_MB * 1e6
