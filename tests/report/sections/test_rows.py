"""What tables share: columns that hold nothing, the row that ships."""

from roundoff.report.render.document import Field, Page, Paragraph, Table, row
from roundoff.report.sections.precision import precision_section
from roundoff.report.sections.rows import folded
from roundoff.results.message import Words
from tests.support.present import present

EN = Words("en")


def test_columns_that_hold_nothing_become_a_sentence():
    table = Table("caption", ("a", "b", "c"), (row("1", "–", "3"), row("1", Field("why", span=2))))
    kept, told = folded(table, EN)
    assert isinstance(kept, Table)
    assert kept.columns == ("a", "c")
    assert kept.rows[1][1] == Field("why", span=1)
    assert told == Paragraph("Nothing was recorded here for: b.", "note")


def test_a_table_in_which_nothing_stands_is_a_sentence_alone():
    table = Table("caption", ("a", "b", "c"), (row("1", "–", "not recorded"),))
    assert list(folded(table, EN)) == [Paragraph("Nothing was recorded here for: b, c.", "note")]
    assert list(folded(Table("caption", ("a", "b"), ()), EN)) == [
        Paragraph("Nothing was recorded here for: caption.", "note")
    ]


def test_a_full_table_stays_as_it_is():
    table = Table("caption", ("a", "b"), (row("1", "2"),), labels=2)
    assert list(folded(table, EN)) == [table]


def test_the_row_that_ships_at_a_batch_size_is_marked_by_more_than_colour(run):
    evidence, page = run.evidence(), Page()
    precision_section(page, evidence, EN)
    tables = [block for block in page.blocks if isinstance(block, Table)]
    for table, (size, choice) in zip(tables, present(evidence.verdict).batches.items(), strict=True):
        (marked,) = table.marked
        assert table.rows[marked][0].text == f"★ {present(choice.cell).replace('/', ' / ')}", size
