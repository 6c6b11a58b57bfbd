"""CHANGELOG.md: where modules went that plug-ins and scripts import."""

import re

import pytest

from tests.support.places import ROOT

TABLE = (ROOT / "CHANGELOG.md").read_text().partition("| before | now |")[2].partition("\n\n")[0]
MOVED = {
    before: re.findall(r"`([a-z0-9_.]+)", now) for before, now in re.findall(r"^\| `([^`]+)` \| (.+) \|$", TABLE, re.M)
}


def is_module(name: str) -> bool:
    place = ROOT.joinpath("src/roundoff", *name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


@pytest.mark.parametrize("before", MOVED)
def test_what_moved_is_where_the_table_says(before):
    assert MOVED[before]
    assert [name for name in MOVED[before] if not is_module(name)] == []


def test_the_table_has_rows():
    assert len(MOVED) > 60
