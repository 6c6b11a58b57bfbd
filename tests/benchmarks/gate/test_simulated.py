"""The simulation of the gate, in small: its rates are those of benchmarks/gate alone."""

import pytest

from benchmarks.gate.__main__ import TARGETS
from benchmarks.gate.simulated import CASES, rates


@pytest.mark.slow  # times three runs of fourteen engines
def test_each_case_has_its_outcomes():
    found = rates(1)
    assert set(found) == set(CASES)
    for shares in found.values():
        assert shares.pop("trials") == 3
        assert sum(shares.values()) == pytest.approx(1)
    assert found["aa"]["pass"] > found["slow_3"]["pass"]
    assert found["aa"]["pass"] > found["drop_1"]["pass"]


def test_each_target_asks_for_what_it_says():
    bad = {"aa": {"fail": 0.03}, "slow_3": {"fail": 0.94}, "drop_1": {"fail": 0.94}}
    good = {"aa": {"fail": 0.025}, "slow_3": {"fail": 0.95}, "drop_1": {"fail": 0.95}}
    assert [met(bad) for met in TARGETS.values()] == [False] * 3
    assert [met(good) for met in TARGETS.values()] == [True] * 3
