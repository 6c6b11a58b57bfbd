"""The stage that times layers: off it costs nothing, on it has every cell."""

import csv
import json

import pytest

from roundoff.results.layers import COLUMNS
from tests.stages.conftest import CELLS


def rows(folder):
    with (folder / "metrics/layers.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow  # needs a finished run
def test_off_it_writes_an_empty_table(finished):
    assert (finished.folder / "metrics/layers.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert finished.metrics("profile")["cells"] == {}
    assert "Time per layer" not in (finished.folder / "metrics/report.md").read_text()


@pytest.mark.slow  # needs a finished run
def test_on_it_times_the_layers_of_every_cell_that_runs_here(finished, tmp_path):
    settings = ("profile=on", "profile.seconds=0.01", "profile.least_runs=2", "profile.batch_size=4")
    run = finished.python("stages/layers.py", *settings, "model.width=8", f"hydra.run.dir={tmp_path}")
    assert run.returncode == 0, run.stdout + run.stderr
    found = rows(tmp_path)
    assert {(row["precision"], row["backend"]) for row in found if row["averageMs"]} == set(CELLS)
    assert any(row["layer"].startswith("stem_conv") and row["macs"] for row in found)
    rooflines = json.loads((tmp_path / "metrics/profile.json").read_text())["rooflines"]
    assert {"float32", "int8"} <= rooflines["cpu"]["macs_per_s"].keys()
