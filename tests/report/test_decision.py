"""The verdict's reasons, none of which may be lost on the way to the reader."""

import pytest

from roundoff.report.answer import answer_section
from roundoff.report.decision import Decision
from roundoff.report.document import Page
from roundoff.report.messages import Words

EN, JA = Words("en"), Words("ja")
WAITING = "int8/litert"


def verdict_with(run, **check):
    """The run's verdict, with other values in the accuracy check of one cell, which is undecided."""
    content = run.verdict()
    kept = {"name": "keep", "verdict": "undecided", "found": 0.99, "low": 0.985, "high": 0.995, "limit": 0.99}
    given = kept | {"samples_needed": None, "reason": "too close"} | check
    content["cells"][WAITING] = {"verdict": "undecided", "checks": [given], "speed": {}}
    return content


@pytest.mark.parametrize(
    ("words", "said"),
    [(EN, "too close to it for any number of test images to decide"), (JA, "何枚に増やしても判定できない")],
    ids=["en", "ja"],
)
def test_undecidable_accuracy_is_said(run, words, said):
    assert said in Decision(verdict_with(run)).reasons(WAITING, words)[0]


@pytest.mark.parametrize(("words", "said"), [(EN, "any number of test images"), (JA, "判定不能")], ids=["en", "ja"])
def test_undecidable_cell_that_would_be_faster_is_said(run, words, said):
    content = verdict_with(run)
    content["recommendations"]["balanced"]["faster_if_decided"] = [WAITING]
    page = Page()
    evidence = run.evidence()
    object.__setattr__(evidence, "verdict", content)
    answer_section(page, evidence, words)
    assert any(said in getattr(block, "text", "") for block in page.blocks)


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


def test_missing_reference_is_said_in_both_languages(run):
    content = verdict_with(run, name="accuracy", found=None, low=None, high=None)
    assert Decision(content).reasons(WAITING, EN) == [EN("unknown_accuracy")]
    assert Decision(content).reasons(WAITING, JA) == [JA("unknown_accuracy")]


def test_lead_gives_the_interval_of_the_latency(run):
    page = Page()
    answer_section(page, run.evidence(), EN)
    timing = run.evidence().cell("fp32/onnxruntime").batches[1]
    low, high = timing["end_to_end_p50_low_ms"], timing["end_to_end_p50_high_ms"]
    assert f"ms ({low:.3f}–{high:.3f}) end to end" in page.blocks[2].text


def test_undecided_cells_are_named_where_none_passes(run):
    page = Page()
    answer_section(page, run.evidence(memory_mb=100), EN)
    assert page.blocks[1].text.startswith("The data allow no recommendation")
    assert page.blocks[2].text.startswith("Undecided: ")
    assert "int8/litert (about 810 test images would decide)" in page.blocks[2].text
