"""YAML is read as plain values, or refused in words, whatever its parser raises."""

import pytest

from roundoff.errors import DataError
from roundoff.system.yaml_files import parsed_yaml

BROKEN = {
    "bracket": b"a: [",
    "depth": b"[" * 3000,
    "latin-1": b"name: caf\xe9\n",
    "zero byte": b"\0",
    "alias": b"a: &a [1]\nb: *a",
    "function": b"!!python/object/apply:os.system ['true']",
    "date": b"a: 2024-99-99",
    "no date": b"!!timestamp word",
    "no truth": b"!!bool word",
    "no number": b"!!int ''",
    "endless number": b"a: 1" + b":1" * 400 + b".0",
    "key": b"? [a]\n: b",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_yaml_is_refused_in_words(data):
    with pytest.raises(DataError, match=r"dvc\.yaml cannot be read") as refused:
        parsed_yaml(data, "dvc.yaml", "restore it")
    assert refused.value.received
    assert refused.value.fix == "restore it"


def test_a_byte_that_is_no_utf_8_is_named():
    with pytest.raises(DataError, match="decode byte 0xe9 in position 9"):
        parsed_yaml(BROKEN["latin-1"], "dvc.yaml", "restore it")


def test_plain_values_are_read_and_nothing_is_empty():
    assert parsed_yaml("a: [1, é]\n".encode(), "it", "") == {"a": [1, "é"]}
    assert parsed_yaml(b"", "it", "") == {}
