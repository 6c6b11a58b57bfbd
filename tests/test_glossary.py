"""docs/glossary.md: each word once, in order, and each key that it names is a setting."""

import re

import yaml

from tests.support.places import ROOT

ROWS = re.findall(r"^\| (?!word |---)([^|]+) \| ([^|]+) \|$", (ROOT / "docs/glossary.md").read_text(), re.M)
GROUPS = [folder.name for folder in sorted((ROOT / "conf").iterdir()) if folder.is_dir()]
USUAL = {"dataset", "model", "train", "evaluate", "report", "experiment"}  # what these words mean everywhere
LED_TO_BY = {"calibrate": "calibrator", "profile": "layer"}  # the word for what the group is of


def keys(values: object, above: str = "") -> set[str]:
    if not isinstance(values, dict):
        return set()
    names = {f"{above}{name}" for name in values}
    return names.union(*(keys(value, f"{above}{name}.") for name, value in values.items()))


def test_words_stand_once_and_in_order():
    words = [word for word, _ in ROWS]
    assert len(words) > 40
    assert words == sorted(set(words), key=str.lower)


def test_every_setting_that_a_meaning_names_is_one():
    known = keys(yaml.safe_load((ROOT / "params.yaml").read_text()))
    named = re.findall(r"`(\w+\.\w+)`", " ".join(meaning for _, meaning in ROWS))
    files = {"model.engine", "model.onnx", "model.tflite"}
    settings = [name for name in named if name.partition(".")[0] in known and name not in files]
    assert len(settings) >= 5
    assert set(settings) <= known


def test_every_group_of_the_configuration_has_its_word():
    words = {word for word, _ in ROWS}
    assert {LED_TO_BY.get(name, name) for name in set(GROUPS) - USUAL} <= words
