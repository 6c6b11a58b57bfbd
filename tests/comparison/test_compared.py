"""What may be compared with what, what tells runs apart, and what a setting did not touch."""

import pytest

from roundoff.comparison.comparable import difference, judged
from roundoff.comparison.reading import read_runs
from roundoff.errors import ConfigError, DataError
from tests.comparison.conftest import write_run
from tests.support.measured import compared as accuracy_with

SETTINGS = {"train": {"epochs": 1}, "report": {"language": "en"}}


def codes(compared):
    return {number: [reason.code for reason in reasons] for number, reasons in compared.apart.items()}


def test_accuracy_is_compared_where_network_and_images_are_the_same(compared):
    found = compared(a={}, b={"machine": "two"}, c={"network": "other"}, d={"images": "fewer"}, e={"network": "other"})
    assert found.classes == [[0, 1], [2, 4], [3]]
    assert codes(found) == {2: ["compare_other_graph"], 3: ["compare_other_images"], 4: ["compare_other_graph"]}


def test_what_was_not_recorded_is_not_taken_for_the_same(compared, tmp_path):
    found = compared(a={}, b={"images": None})
    assert codes(found) == {1: ["compare_images_unknown"]}
    for path in (tmp_path / "b/metrics").glob("build-*.json"):
        path.unlink()
    runs = read_runs(tmp_path, "metrics", [str(tmp_path / "a"), str(tmp_path / "b")])
    assert [reason.code for reason in type(found)(runs).apart[1]] == ["compare_images_unknown", "compare_graph_unknown"]


def test_a_difference_is_judged_by_its_interval():
    base, same, worse = (accuracy_with(regressed) for regressed in (0, 40, 900))
    assert judged(difference(base, same)) == "within noise"
    assert judged(difference(base, worse)) == "worse"
    assert judged(difference(worse, base)) == "better"
    assert judged(difference(base, accuracy_with(samples=500))) == "noise unknown"
    assert judged(difference(None, base)) == "noise unknown"


def test_a_setting_touches_what_is_built_with_it_alone(compared):
    found = compared(
        a={"settings": SETTINGS},
        b={"settings": SETTINGS, "calibrate": "minmax"},
        c={"settings": SETTINGS, "model": "ResNet-20", "network": "deep"},
    )
    assert [facet.key for facet in found.facets] == ["model", "calibrate"]
    effects = {touch.key: (touch.pairs, touch.cells) for touch in found.touches}
    assert effects["calibrate"] == (1, {"fp32/ort": "same engine", "int8/ort": "changed"})
    assert effects["model"] == (1, {"fp32/ort": "changed", "int8/ort": "changed"})  # b and c differ in both


def test_another_machine_may_build_another_engine_of_the_same_graph(compared):
    found = compared(a={}, b={"machine": "two", "reference": "tuned"})
    (touch,) = found.touches
    assert (touch.key, touch.cells) == ("machine", {"fp32/ort": "same graph", "int8/ort": "same engine"})


def test_without_settings_another_network_is_not_the_machines_doing(compared):
    found = compared(a={}, b={"machine": "two", "network": "other"})
    assert [(touch.key, touch.pairs) for touch in found.touches] == [("machine", 0)]


def test_runs_are_told_apart_by_key_where_no_stage_names_the_choice(compared):
    found = compared(
        a={"settings": {"train": {"epochs": 1, "rates": [1, 2]}, "report": {"language": "en"}}},
        b={"settings": {"train": {"epochs": 9, "rates": [1, 3]}, "report": {"language": "ja"}}},
    )
    assert [(facet.key, facet.values) for facet in found.facets] == [
        ("train.epochs", ("1", "9")),
        ("train.rates", ("[1,2]", "[1,3]")),
    ]


def test_runs_are_put_into_groups_by_what_is_asked_for(compared):
    runs = {
        "a": {"settings": SETTINGS},
        "b": {"settings": SETTINGS, "calibrate": "minmax"},
        "c": {"settings": SETTINGS, "model": "ResNet-20", "network": "deep"},
    }
    assert compared(**runs).groups == [(0, 1), (2,)]  # by model, which differs first
    assert compared(by="calibrate", **runs).groups == [(0, 2), (1,)]
    assert compared(by="train.epochs", **runs).groups == [(0, 1, 2)]
    assert compared(by="machine", **runs).order == (0, 1, 2)
    unknown = compared(by="epoch", **runs)
    with pytest.raises(ConfigError, match=r"no run has the setting epoch(.|\n)*here differ: model, calibrate"):
        _ = unknown.groups


def test_a_folder_stands_for_the_runs_in_its_folders(tmp_path):
    for name in ("of/first", "of/second"):
        write_run(tmp_path / name)
    (tmp_path / "of/log").mkdir()
    names = [run.name for run in read_runs(tmp_path, "metrics", [f"{tmp_path}/of"])]
    assert names == [f"{tmp_path}/of/first", f"{tmp_path}/of/second"]


def test_one_run_has_nothing_to_be_compared_with(tmp_path):
    write_run(tmp_path / "alone")
    with pytest.raises(DataError, match="a comparison needs two runs"):
        read_runs(tmp_path, "metrics", [f"{tmp_path}/alone", f"{tmp_path}/alone"])
