"""The runs that this repository keeps: read, and judged as their own verdict.json says."""

import pytest

from roundoff.results.metrics import read_metrics, verdict_from
from roundoff.system.files import read_json
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.places import ROOT

RUNS = sorted(path.parent for path in (*ROOT.glob("results/*/*/fp32.json"), ROOT / "metrics/fp32.json"))


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.relative_to(ROOT).as_posix())
def test_a_kept_run_has_the_verdicts_that_it_says(run):
    said = verdict_from(read_json(run / "verdict.json"))
    found = decide(read_metrics(run), Target(**vars(said.target)))
    assert {name: cell.verdict for name, cell in found.cells.items()} == {
        name: cell.verdict for name, cell in said.cells.items()
    }
