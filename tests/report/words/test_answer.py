"""The answer's sentences: what ships where, what is not decided, how many answers changed; page and terminal alike."""

from dataclasses import replace

import pytest

from roundoff.report.words.answer import answers_words, flips_words, lead, other_sizes, rivals
from roundoff.results.message import Words
from roundoff.results.verdict import Recommendation
from tests.support.measured import compared
from tests.support.present import present

EN, JA = Words("en"), Words("ja")


def with_accuracy(evidence, name, accuracy):
    """The evidence with another accuracy in one cell."""
    cells = tuple(
        replace(cell, metrics=replace(cell.metrics, accuracy=accuracy)) if cell.key == name else cell
        for cell in evidence.cells
    )
    return replace(evidence, cells=cells)


def shipping(evidence, **balanced):
    """The evidence whose balanced cell is fp32/onnxruntime, with what is said beside it."""
    choice = Recommendation(cell="fp32/onnxruntime", **balanced)
    verdict = present(evidence.verdict)
    return replace(evidence, verdict=replace(verdict, recommendations={"balanced": choice}))


def shipping_at(evidence, **names):
    """The evidence with the cells that ship at further batch sizes, as `at_32="int8/litert"`."""
    shipped = present(present(evidence.verdict).shipped)
    batches = {int(size.removeprefix("at_")): Recommendation(cell=name) for size, name in names.items()}
    return replace(evidence, verdict=replace(present(evidence.verdict), batches={1: shipped} | batches))


def test_the_bold_sentence_has_the_batch_size(run):
    evidence = shipping_at(run.evidence())
    assert lead(evidence, EN).startswith("Ship fp32 / onnxruntime at batch size 1 on this machine (")
    assert "バッチサイズ 1 では fp32 / onnxruntime" in lead(evidence, JA)


@pytest.mark.parametrize(
    ("needed", "judged"),
    [(778, "about 780 are needed."), (None, "whether it meets every budget is not known.")],
)
def test_an_undecided_faster_cell_comes_first_with_its_speed_its_answers_and_the_images(run, needed, judged):
    evidence = shipping(run.evidence(), undecided={"int8/onnxruntime": needed})
    same = with_accuracy(evidence, "int8/onnxruntime", compared(0, 0, samples=360))
    text = lead(same, EN)
    assert text.startswith(
        "Not decided yet: int8 / onnxruntime is 1.4× as fast and gave the same answer on all 360 images; "
    )
    assert f"{judged} Until then: ship fp32 / onnxruntime at batch sizes 1 and 32 on" in text


def test_the_fastest_of_several_undecided_is_in_the_lead_and_all_are_named_after_it(run):
    waiting = {"fp16/onnxruntime": 900, "int8/onnxruntime": 800}
    evidence = shipping(run.evidence(), undecided=waiting)
    assert lead(evidence, EN).startswith("Not decided yet: int8 / onnxruntime")
    told = list(rivals(evidence.verdict.shipped, evidence, EN))
    assert any("fp16/onnxruntime" in text and "int8/onnxruntime" in text for text in told)


def test_another_winner_at_another_batch_size_is_said_with_its_speed(run):
    evidence = run.evidence()
    batches = {1: evidence.verdict.shipped, 32: Recommendation(cell="int8/onnxruntime")}
    told = list(other_sizes(replace(evidence, verdict=replace(evidence.verdict, batches=batches)), EN))
    ratio = evidence.cell("int8/onnxruntime").batches[32].end_to_end_speedup
    assert told == [f"At batch size 32 ship int8 / onnxruntime ({ratio:.2f}× the speed of FP32 there)."]


def test_the_bold_sentence_has_all_batch_sizes_that_the_same_cell_wins(run):
    name = "fp32/onnxruntime"
    evidence = shipping_at(run.evidence(), at_32=name, at_64="int8/litert", at_8192=name)
    assert lead(evidence, EN).startswith("Ship fp32 / onnxruntime at batch sizes 1, 32 and 8,192 on this machine (")
    assert "バッチサイズ 1、32、8,192 では fp32 / onnxruntime" in lead(evidence, JA)


def test_flips_are_counted_though_the_accuracy_shows_no_loss(run):
    evidence = with_accuracy(run.evidence(), "int8/litert", compared(151, 159))
    cell = present(evidence.cell("int8/litert"))
    assert flips_words(cell, EN) == (
        "Answers other than the reference's: 310 of 10,000 (3.1\u00a0%); regressed: 151, corrected: 159."
    )
    assert answers_words(cell, EN) == "gave another answer on 310 of 10,000 images"


def test_a_rival_with_many_changed_answers_says_so(run):
    evidence = with_accuracy(run.evidence(), "int8/litert", compared(151, 159))
    choices = {"balanced": Recommendation(cell="fp32/onnxruntime"), "fastest": Recommendation(cell="int8/litert")}
    evidence = replace(evidence, verdict=replace(evidence.verdict, recommendations=choices))
    assert any("regressed: 151" in text for text in rivals(choices["balanced"], evidence, EN))
