"""Tables on a telephone: narrow ones stay tables, and a bare name has its column beside it."""

from roundoff.report.render.document import Field, Table, row
from roundoff.report.render.tables import table_element


def box(columns, *rows, labels=1):
    return table_element(Table("caption", columns, tuple(rows), labels=labels))


def test_a_narrow_table_stays_one_on_a_telephone():
    assert box(("Precision", "litert"), row("fp32", "0.320 (100 %)")).get("class") == "scroll"


def test_a_wide_table_becomes_cards():
    wide = box(("Cell", *"abcd"), row("fp32", *["98.07 % (96.9–98.8)"] * 4))
    assert wide.get("class") == "scroll cards"
    assert (
        box(("Cell", "a"), row("fp32", "a sentence that is far too long for a column")).get("class") == "scroll cards"
    )
    assert box(("Cell", "a", "b"), row("fp32", Field("why", span=2))).get("class") == "scroll cards"


def test_a_card_that_is_headed_by_a_bare_name_says_of_what():
    """ "3" or "32" alone is no head."""
    (head,) = (each for each in box(("Class", "Images"), row("3", "84")).iter("th") if each.get("scope") == "row")
    assert head.get("data-name") == "Class"
    (head,) = (each for each in box(("Cell", "a"), row("fp32 / litert", "1")).iter("th") if each.get("scope") == "row")
    assert head.get("data-name") is None
