"""Which work goes on, told to the process that outlives it."""

import signal

import pytest

from roundoff.system import at_work
from roundoff.system.at_work import SIZE, EndedByLibrary, Ledger


@pytest.fixture
def ledger(monkeypatch):
    made = Ledger()
    monkeypatch.setattr(at_work, "ledger", made)
    return made


def test_names_nest_and_go(ledger):
    with at_work.at_work("outer"):
        with pytest.raises(ValueError, match="why"), at_work.at_work("inner"):
            assert ledger.name == "inner"
            raise ValueError("why")
        assert ledger.name == "outer"
    assert ledger.name == ""


def test_fatal_work_is_refused_and_what_is_around_it_goes_on(ledger):
    ledger.fatal["int8/x"] = signal.SIGFPE
    with at_work.at_work("outer"):
        with pytest.raises(EndedByLibrary, match="SIGFPE"), at_work.at_work("int8/x"):
            pytest.fail("it was done")
        assert ledger.name == "outer"


def test_a_long_name_is_cut_and_one_in_any_language_kept(ledger):
    ledger.name = "日本語" * SIZE
    assert ledger.name == ("日本語" * SIZE).encode()[:SIZE].decode("utf-8", "ignore")
    ledger.name = "é"
    assert ledger.name == "é"


def test_without_a_process_that_outlives_this_one_nothing_is_told(monkeypatch):
    monkeypatch.setattr(at_work, "ledger", None)
    with at_work.at_work("outer"):
        assert at_work.ledger is None
