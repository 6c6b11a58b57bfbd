"""DVC's plot templates: filled by DVC's own renderer, with fields that the data have."""

import csv
import io
import json

import pytest
from dvc_render.vega import VegaRenderer

from roundoff.report.plots.dvc_csv import SPEED_COLUMNS, csv_files
from tests.support.places import ROOT

FOLDER = ROOT / ".dvc/plots"
AXES = {
    "latency": ("end_to_end_p50_ms", "cell"),
    "speedup": ("speedup", "cell"),
    "pareto": ("end_to_end_p50_ms", "top1"),
}


def test_every_template_is_known():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(AXES)


def fields(value):
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = {value["field"]} if isinstance(value, dict) and isinstance(value.get("field"), str) else set()
    return own.union(*map(fields, children))


@pytest.mark.parametrize("name", AXES)
def test_template_is_filled_by_dvc(pristine, name):
    rows = [{**row, "rev": "HEAD"} for row in csv.DictReader(io.StringIO(csv_files(pristine.evidence())["speed.csv"]))]
    x, y = AXES[name]
    renderer = VegaRenderer(rows, name, template=str(FOLDER / f"{name}.json"), x=x, y=y, title=name, revs=["HEAD"])
    filled = renderer.get_filled_template()
    assert "<DVC_METRIC" not in json.dumps(filled)
    assert len(filled["data"]["values"]) == 12
    assert fields(filled["spec"]) | fields(filled["facet"]) <= {*SPEED_COLUMNS, "rev"}
