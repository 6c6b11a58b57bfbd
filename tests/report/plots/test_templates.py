"""DVC's plots: templates that DVC's own renderer fills with fields that the data have, on a page without network."""

import csv
import io
import json

import pytest
import yaml
from dvc.config import Config
from dvc_render.html import render_html
from dvc_render.vega import VegaRenderer

from roundoff.report.plots.dvc_csv import csv_files
from tests.support.browser import browse
from tests.support.places import ROOT

FOLDER = ROOT / ".dvc/plots"
PLOTS = {name: plot for each in yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"] for name, plot in each.items()}
OWN = {name: plot for name, plot in PLOTS.items() if (FOLDER / f"{plot['template']}.json").exists()}
COMPUTED = {"ratio", "worst"}
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND"
AXES = """<script>
addEventListener("load", () => setTimeout(() => {
  const titles = [...document.querySelectorAll(".role-axis-title text")].map((text) => text.textContent);
  const labels = [...document.querySelectorAll(".role-axis-label text")].map((text) => text.textContent);
  document.body.dataset.seen = JSON.stringify({titles, labels});
}, 1000));
</script></body>"""


def definitions(plot):
    """File and field of each line of a plot."""
    return [{"filename": path, "field": field} for path, field in plot["y"].items()]


def rows_of(path, pristine):
    """The rows of a plot's file, as DVC reads them."""
    name = path.rpartition("/")[2]
    files = csv_files(pristine.evidence())
    if path.startswith("metrics/live/"):
        files[name] = f"step\t{name.partition('.')[0]}\n1\t0.5\n2\t0.25\n"
    text = files[name] if name in files else (ROOT / path).read_text()
    delimiter = "\t" if name.endswith(".tsv") else ","
    return [{**row, "rev": "HEAD"} for row in csv.DictReader(io.StringIO(text), delimiter=delimiter)]


def renderer(name, pristine):
    plot, lines = PLOTS[name], definitions(PLOTS[name])
    return VegaRenderer(
        [{**row, **line} for line in lines for row in rows_of(line["filename"], pristine)],
        name,
        template=str(FOLDER / f"{plot['template']}.json"),
        title=name,
        x=plot["x"],
        y=lines[0]["field"],
        x_label=plot["x_label"],
        y_label=plot["y_label"],
        anchors_y_definitions=lines,
        revs_with_datapoints=["HEAD"],
    )


def fields(value):
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = {value["field"]} if isinstance(value, dict) and isinstance(value.get("field"), str) else set()
    return own.union(*map(fields, children))


def test_every_template_is_used():
    assert {path.stem for path in FOLDER.glob("*.json")} == {plot["template"] for plot in OWN.values()}


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_every_axis_has_a_label(plot):
    assert plot["x_label"]
    assert plot["y_label"]


@pytest.mark.parametrize("name", OWN)
def test_template_is_filled_by_dvc(name, pristine):
    made = renderer(name, pristine)
    columns = set(made.datapoints[0])
    filled = made.get_filled_template()
    assert "<DVC_METRIC" not in json.dumps(filled)
    assert {row["rev"] for row in filled["data"]["values"]} == {"HEAD"}
    del filled["data"]
    assert fields(filled) <= columns | COMPUTED


@pytest.mark.parametrize("name", ["accuracy and speed", "latency", "speed-up over FP32", "throughput over batch size"])
def test_backends_have_shapes_of_their_own(name, pristine):
    filled = json.dumps(renderer(name, pristine).get_filled_template())
    assert '"shape": {"field": "backend"' in filled


def test_the_page_is_the_one_that_dvc_takes_and_loads_nothing():
    assert Config(str(ROOT / ".dvc"))["plots"]["html_template"] == "plots/page.html"
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    assert '<meta charset="utf-8">' in page
    assert "{scripts}" not in page  # DVC's own, from the network
    assert "<script src" not in page
    assert "connect-src" not in page
    assert "default-src 'none'" in page
    bundled = {name for line in page.splitlines() if line.startswith("== ") for name in line.split()[1:]}
    assert {"vega", "vega-lite", "vega-embed", "vega-tooltip", "d3-scale", "topojson-client"} <= bundled


def test_the_page_draws_without_a_network_and_noise_begins_with_the_worst(chromium, pristine, tmp_path):
    name = next(name for name in PLOTS if name.startswith("quantization noise"))
    template = tmp_path / "page.html"
    template.write_text(AXES.join((FOLDER / "page.html").read_text(encoding="utf-8").rsplit("</body>", 1)), "utf-8")
    html = render_html([renderer(name, pristine)], tmp_path / "page" / "index.html", html_template=template)
    shown = browse(chromium, tmp_path, OFFLINE, "--virtual-time-budget=10000", "--dump-dom", html.as_uri()).stdout
    seen = json.loads(shown.split('data-seen="')[1].split('"')[0].replace("&quot;", '"'))
    assert {PLOTS[name]["x_label"], "tensor"} <= set(seen["titles"])
    ranked = sorted(
        (row for row in rows_of("metrics/noise.csv", pristine) if row["quantized"] == "True"),
        key=lambda row: float(row["sqnr_db"]),
    )
    drawn = [label for label in seen["labels"] if label in {row["tensor"] for row in ranked}]
    assert drawn == [row["tensor"] for row in ranked[:20]]
