"""Markdown: escaped, tables even."""

import re

from roundoff.report.render.document import Bullets, Details, Field, Paragraph, Table, row
from roundoff.report.render.markdown import markdown_from_blocks


def test_table_rows_have_as_many_fields_as_columns():
    wide = Table("c", ("a", "b", "c"), (row("x", Field("spans | two", "muted", 2)), row("1", "2", "3")))
    lines = [line for line in markdown_from_blocks([wide], "plots").splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}


def test_special_characters_are_escaped():
    text = markdown_from_blocks([Paragraph("a_b*c <img> [x](y) `z` | # \\")], "plots")
    assert text == r"a\_b\*c \<img\> \[x\](y) \`z\` \| \# \\" + "\n"


def test_verdicts_carry_a_mark_besides_colour():
    table = Table("c", ("a",), (row(Field("pass", "good")), row(Field("fail", "bad")), row(Field("?", "unsure"))))
    text = markdown_from_blocks([table], "plots")
    assert "✅ pass" in text
    assert "❌ fail" in text


def test_details_hold_their_blocks():
    text = markdown_from_blocks([Details("more", (Bullets(("one", "two")),))], "plots")
    assert text == "<details><summary>more</summary>\n\n- one\n- two\n\n</details>\n"


def test_every_table_in_the_report_is_even(whole_report):
    tables = re.findall(r"(?:^\|.*\n)+", (whole_report / "report.md").read_text(), flags=re.M)
    assert len(tables) > 8
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_a_summary_is_html_and_not_markdown():
    text = markdown_from_blocks([Details("tensorrt_rtx <b>", (Bullets(("one",)),))], "plots")
    assert "<summary>tensorrt_rtx &lt;b&gt;</summary>" in text
