"""The verdict's reasons, none of which may be lost on the way to the reader."""

from dataclasses import replace

import pytest

from roundoff.report.render.document import Page
from roundoff.report.sections.answer import answer_section
from roundoff.report.sections.uses import uses_table
from roundoff.report.words.decision import Decision
from roundoff.results.message import Words, message
from roundoff.results.verdict import CellVerdict, Criterion
from tests.support.present import texts_in

EN, JA = Words("en"), Words("ja")
WAITING = "int8/litert"


CLOSE = Criterion(
    name="min_relative_accuracy",
    verdict="undecided",
    limit=0.99,
    value=0.99,
    low=0.985,
    high=0.995,
    bounds="interval",
)


def verdict_with(run, **values):
    """The run's verdict, with other values in the accuracy criterion of one cell, which is undecided."""
    verdict = run.verdict()
    undecided = CellVerdict(verdict="undecided", criteria=[replace(CLOSE, **values)])
    return replace(verdict, cells=verdict.cells | {WAITING: undecided})


def recommending(verdict, **choices):
    """The verdict with other values in its recommendations, by use."""
    changed = {use: replace(verdict.recommendations[use], **values) for use, values in choices.items()}
    return replace(verdict, recommendations=verdict.recommendations | changed)


@pytest.mark.parametrize(
    ("words", "said"),
    [(EN, "too close to it for any number of test images to decide"), (JA, "何枚に増やしても判定できない")],
    ids=["en", "ja"],
)
def test_undecidable_accuracy_is_said(run, words, said):
    assert said in Decision(verdict_with(run)).reasons(WAITING, words)[0]


@pytest.mark.parametrize(("words", "said"), [(EN, "any number of images"), (JA, "何枚に増やしても")], ids=["en", "ja"])
def test_undecidable_cell_that_would_be_faster_is_said(run, words, said):
    verdict = recommending(verdict_with(run), balanced={"undecided": {WAITING: None}})
    page = Page()
    answer_section(page, replace(run.evidence(), verdict=verdict), words)
    assert any(said in text for text in texts_in(page.blocks))


def test_known_number_of_images_is_no_riddle(run):
    reason = Decision(verdict_with(run, samples_needed=803)).reasons(WAITING, EN)[0]
    assert "about 810 test images would decide" in reason
    assert "any number" not in reason


def test_passed_accuracy_needs_no_images(run):
    assert "any number" not in Decision(verdict_with(run, verdict="pass")).reasons(WAITING, EN)[0]


@pytest.mark.parametrize(
    ("budget", "english", "japanese"),
    [
        (
            {"memory_mb": 100},
            "device memory is not known (the runtime does not tell); target at most 100 MB",
            "ランタイム",
        ),
        ({"mj_per_image": 2}, "energy is not known (the counter is not readable)", "消費電力量は不明"),
        ({"latency_ms": 1, "latency_percentile": "p999"}, "latency is not known (p999 needs", "回の測定が必要"),
        ({"latency_ms": 1, "batch_size": 7}, "batch size 7 was not measured", "バッチサイズ 7 は測定していない"),
    ],
)
def test_unknown_budget_is_said_in_both_languages(run, budget, english, japanese):
    decision = Decision(run.verdict(**budget))
    assert any(english in reason for reason in decision.reasons(WAITING, EN))
    reasons = decision.reasons(WAITING, JA)
    assert any(japanese in reason for reason in reasons)
    assert not any("is not known" in reason or "target" in reason for reason in reasons)


def test_a_limit_is_printed_as_it_was_set(run):
    decision = Decision(run.verdict(min_relative_accuracy=0.99999, size_mb=1.2345))
    assert "keep 99.999\u00a0%" in decision.target(EN)
    assert any("target at most 1.2345 MB" in reason for reason in decision.reasons(WAITING, EN))


def test_what_nothing_bounds_says_so(run):
    open_ = {"name": "latency", "value": 0.107, "low": None, "high": None, "limit": 1.2, "bounds": None}
    assert "no interval" in Decision(verdict_with(run, **open_)).reasons(WAITING, EN)[0]
    metered = open_ | {"name": "energy", "low": 0.1, "high": 0.12, "bounds": "margin", "verdict": "pass"}
    reason = Decision(verdict_with(run, **metered)).reasons(WAITING, EN)[0]
    assert "(give or take the meter's error: 0.100–0.120)" in reason


def without_times(run):
    def change(content):
        for backends in (content, *(value for value in content.values() if isinstance(value, dict))):
            for cell in backends.values():
                if isinstance(cell, dict) and "status" in cell:
                    for key in [key for key in cell if key.startswith("batch_")]:
                        del cell[key]

    run.rewrite_all(change)


@pytest.mark.parametrize("words", [EN, JA], ids=["en", "ja"])
def test_cells_that_pass_and_were_not_timed_are_not_denied(run, words):
    without_times(run)
    page = Page()
    evidence = run.evidence()
    answer_section(page, evidence, words)
    passing = [name for name, cell in evidence.verdict.cells.items() if cell.verdict == "pass"]
    assert passing
    names = words("list_separator").join(passing)
    assert any(words("answer_not_timed", cells=names, batch=1) in text for text in texts_in(page.blocks))
    rule = words("rule_not_timed", cells=names, batch=1)
    assert any(row[3].text.startswith(rule) for row in uses_table(evidence, words).rows)


@pytest.mark.parametrize(("tied", "key"), [(["fp32/onnxruntime"], "answer_as_fast"), ([], "answer_faster")])
def test_a_cell_is_called_faster_only_where_it_is(run, tied, key):
    chosen = {"cell": "fp32/onnxruntime", "tied": []}
    verdict = recommending(run.verdict(), fastest={"cell": WAITING, "tied": tied}, balanced=chosen)
    page = Page()
    answer_section(page, replace(run.evidence(), verdict=verdict), EN)
    start = EN(key, cell="int8 / litert", drop="")
    assert any(start in text for text in texts_in(page.blocks))


def test_missing_reference_is_said_in_both_languages(run):
    why = message("no_reference")
    decision = Decision(verdict_with(run, name="accuracy", value=None, low=None, high=None, reason=why))
    assert decision.reasons(WAITING, EN) == [EN("no_reference")]
    assert decision.reasons(WAITING, JA) == [JA("no_reference")]


def test_lead_gives_the_interval_of_the_latency(run):
    page = Page()
    answer_section(page, run.evidence(), EN)
    timing = run.evidence().cell("fp32/onnxruntime").batches[1]
    low, high = timing.end_to_end_p50_low_ms, timing.end_to_end_p50_high_ms
    assert f"ms ({low:.3f}–{high:.3f}) for a batch of 1, end to end" in " ".join(texts_in(page.blocks))


def test_undecided_cells_are_named_where_none_passes(run):
    page = Page()
    answer_section(page, run.evidence(memory_mb=100), EN)
    found = texts_in(page.blocks)
    assert found[1].startswith("The data allow no recommendation")
    (waiting,) = (text for text in found if text.startswith("Undecided: "))
    assert "int8/litert" in waiting
    assert "would decide" not in waiting  # of the memory, no number of images tells more
