"""docs/metrics.md says what the dataclasses say."""

from roundoff.results import describe
from roundoff.results.metrics import FORMAT
from tests.support.places import ROOT


def test_the_documents_tables_are_made_of_the_dataclasses():
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    block = text.split(describe.START)[1].split(describe.END)[0].strip()
    assert block == describe.tables(), "run `python -m roundoff.results.describe docs/metrics.md`"


def test_every_field_has_a_meaning():
    rows = [line for line in describe.tables().splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.endswith("|  |")] == []


def test_the_document_names_the_format_of_today():
    assert f"`format` number ({FORMAT})" in (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
