"""The pages that are made of the code say what the code says."""

import re

import pytest
from omegaconf import OmegaConf

from roundoff.pipeline.composing import composed
from roundoff.reference.pages import pages
from tests.support.places import ROOT

PAGES = pages(ROOT)
ROWS = [line for line in PAGES["configuration.md"].splitlines() if line.startswith("| `")]
ALL_PRECISIONS = [path.stem for path in sorted((ROOT / "conf/precision").glob("*.yaml"))]


def keys(node, above=""):
    for name, value in node.items():
        yield from keys(value, f"{above}{name}.") if isinstance(value, dict) and value else [f"{above}{name}"]


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_page_is_what_the_code_says(name):
    committed = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert committed == PAGES[name], "run `python -m roundoff.reference docs`"


def test_every_key_has_a_meaning():
    assert [row for row in ROWS if row.endswith("|  |")] == []


def test_every_key_of_the_configuration_is_listed():
    precisions = f"precision=[{','.join(ALL_PRECISIONS)}]"
    known = set(keys(OmegaConf.to_container(composed(ROOT / "conf", [precisions]))))
    places = re.compile(r"^(precisions|more|mixed|given|backends)\.\w+\.")
    wanted = {places.sub("PLACE.", key) for key in known if not key.endswith("_target_")}
    assert wanted - {row.split("`")[1] for row in ROWS} == set()


def test_a_row_has_type_default_and_meaning():
    assert "| `seed` | integer | `0` | of all that is drawn at random; the other keys `seed` follow it |" in ROWS
    percentile = "share of all magnitudes, zeros included, that the range holds"
    assert f"| `calibrate.percentile` (best, percentile) | number | `99.99` | {percentile} |" in ROWS


def test_every_command_is_listed_with_its_options():
    page = PAGES["commands.md"]
    assert set(re.findall(r"^## (.+)$", page, re.MULTILINE)) == {
        *("roundoff", "make"),
        *(
            f"roundoff {name}"
            for name in ("run", "plan", "report", "check", "diff", "compare", "collect", "ship", "verify", "doctor")
        ),
    }
    assert "| `--undecided {pass,fail}` | what undecided counts as (default: exit code 3) |" in page
    assert "(default: 0.12) |" in page
    assert "| `make repro` |" in page
