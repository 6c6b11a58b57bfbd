from benchmarks.export.targets import targets

FITS = {"outcome": "exported", "weights_mb": 10.0, "peak_mb": 1530.0}


def missed(**nets):
    return [target for target, met in targets({"planned": list(nets), "nets": nets}).items() if not met]


def test_networks_that_fit_meet_all():
    assert missed(a=FITS, b=FITS) == []


def test_a_network_that_was_not_built_is_named_and_has_no_memory():
    assert any("not: b" in target for target in missed(a=FITS, b={"outcome": "not built"}))


def test_too_much_memory_is_named():
    assert missed(a=FITS | {"peak_mb": 1530.1}) == ["three times the weights and 1.5 GB are enough (not for: a)"]
