"""Rows are kept as they come, and known ones are not kept twice."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from benchmarks.journal import collected, journal_of, kept


def test_a_run_that_was_cut_short_leaves_its_rows(tmp_path):
    journal = journal_of(tmp_path / "result.json")
    assert journal == tmp_path / "result.json.rows"

    def rows():
        yield {"a": 1}
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        collected(rows(), kept(journal), journal)
    assert kept(journal) == [{"a": 1}]
    assert collected([{"a": 1}, {"a": 2}], kept(journal), journal) == [{"a": 1}, {"a": 2}]
    assert kept(journal) == [{"a": 1}, {"a": 2}]


def test_without_a_file_nothing_is_kept():
    assert journal_of(None) is None
    assert collected([{"a": 1}], kept(None), None) == [{"a": 1}]
    assert isinstance(journal_of(Path("x.json")), Path)


def test_the_journals_folder_is_made_before_the_first_row_is_measured(tmp_path):
    journal = journal_of(tmp_path / "results" / "new" / "result.json")
    assert journal is not None

    def rows():
        assert journal.parent.is_dir()
        yield {"a": 1}

    collected(rows(), [], journal)
    assert kept(journal) == [{"a": 1}]
