"""What has to be read before the numbers: each fact of the metrics has its sentence, and no other."""

import pytest

from roundoff.report.render.document import Page, Paragraph
from roundoff.report.sections.answer import answer_section
from roundoff.report.sections.notes import COUNTING, notes
from roundoff.results.cell import BindingInfo
from roundoff.results.checked import as_json
from roundoff.results.message import Words, message, verbatim
from roundoff.revisions.read import read_evidence
from tests.support.present import texts_in

EN, JA = Words("en"), Words("ja")
WIDE = {"float32": 22}
NOISY = as_json(message("noisy", cv=0.684))
CONDITIONS = {
    "sm_clock_mhz": [1410, 1755],
    "memory_clock_mhz": [2619, 2619],
    "power_w": [612.4, 699.8],
    "temperature_c": [61, 74],
    "throttle_reasons": ["power_cap", "thermal_software", "of_a_newer_driver"],
}


def said(run, words=EN):
    return list(notes(run.evidence(), words))


def set_layers(run, name, backend, types, *notes):
    def change(content):
        content[backend]["numerics"]["layer_types"] = types
        content[backend]["notes"] = as_json(notes)

    run.rewrite(name, change)


def throttle(run, **conditions):
    run.rewrite_all(lambda content: content["method"]["devices"]["cpu"].update(conditions=CONDITIONS | conditions))


@pytest.mark.parametrize("words", [EN, JA], ids=["en", "ja"])
def test_layers_in_another_type_are_said(run, words):
    set_layers(run, "fp16", "onnxruntime", WIDE)
    found = [text for text in said(run, words) if "fp16/onnxruntime" in text]
    assert len(found) == 1
    assert "22" in found[0]
    assert "float32" in found[0]


def test_note_of_a_cell_is_listed(run):
    set_layers(run, "int8", "litert", {"int8": 22}, verbatim("activation ranges are the converter's own"))
    assert "int8/litert: activation ranges are the converter's own." in said(run)


def test_note_that_only_counts_layers_is_not_said_twice(run):
    counted = message(COUNTING[0], total=22, counts=[message("layers_in", count=22, kind="float32")], named="float16")
    set_layers(run, "fp16", "onnxruntime", WIDE, counted)
    sentence = EN("note_multiplies", cell="fp16/onnxruntime", total=22, kinds="all in float32", named="float16")
    assert [text for text in said(run) if "fp16/onnxruntime" in text] == [sentence]
    set_layers(run, "fp16", "onnxruntime", WIDE, counted, verbatim("it was optimized less"), verbatim("and slowly"))
    found = [text for text in said(run) if "fp16/onnxruntime" in text]
    assert found == [f"{sentence} Its build says: it was optimized less; and slowly."]


@pytest.mark.parametrize("words", [EN, JA], ids=["en", "ja"])
def test_conversions_and_instructions_of_an_8_bit_cell_are_said(run, words):
    told = {"layer_types": {"int8": 22}, "conversions": 17, "cpu_instructions": ["avx2", "avx512_vnni"]}
    run.rewrite("int8", lambda content: content["onnxruntime"]["numerics"].update(told))
    run.rewrite("fp16", lambda content: content["onnxruntime"]["numerics"].update(told))
    sentence = words(
        "note_conversions", cell="int8/onnxruntime", count=17, instructions=words.listed(["avx2", "avx512_vnni"])
    )
    assert [text for text in said(run, words) if sentence in text] == [sentence]
    assert "17" in sentence
    assert "avx512_vnni" in sentence


@pytest.mark.parametrize("types", [{"uint8": 18, "float32": 4}, {"int8": 18, "float32": 4}])
def test_rest_of_int8_is_named(run, types):
    set_layers(run, "int8", "onnxruntime", types)
    found = next(text for text in said(run) if "int8/onnxruntime" in text)
    assert "18 of 22 convolutions and matrix products multiply in int8; the rest: 4 in float32" in found


def test_name_in_running_text_says_what_is_computed(run):
    set_layers(run, "fp32", "onnxruntime", {"float16": 22})
    page = Page()
    answer_section(page, run.evidence(), EN)
    assert "Ship fp32 (multiplies in float16) / onnxruntime" in texts_in(page.blocks)[1]


def test_layers_as_named_need_no_note(run):
    set_layers(run, "fp16", "onnxruntime", {"float16": 22})
    assert not any("fp16/onnxruntime" in text for text in said(run))


@pytest.mark.parametrize(("words", "cap"), [(EN, "power cap"), (JA, "電力上限")], ids=["en", "ja"])
def test_throttling_all_through_a_run_is_said(run, words, cap):
    throttle(run)
    found = next(text for text in said(run, words) if cap in text)
    for figure in (words.span("1,410", "1,755"), "2,619", words.span(612, 700), words.span(61, 74)):
        assert figure in found
    assert "of_a_newer_driver" in found


def test_device_that_was_not_held_back_needs_no_note(run):
    throttle(run, throttle_reasons=[])
    assert not any("held back" in text for text in said(run))


def test_missing_cuda_graph_is_said_with_its_reason(run):
    reason = verbatim("operation not permitted when stream is capturing")
    info = as_json(BindingInfo(cuda_graph=False, no_cuda_graph_reason=reason))
    run.rewrite("int8", lambda content: content["litert"]["batch_32"].update(binding_info=info))
    found = next(text for text in said(run) if "CUDA graph:" in text)
    assert "int8/litert at batch size 32 (operation not permitted" in found


def set_top1(run, name, backend, high):
    found = {"top1": high - 0.02, "top1_low": high - 0.04, "top1_high": high, "correct": round(360 * (high - 0.02))}
    found |= {"corrected": 0}
    run.rewrite(name, lambda content: content[backend]["accuracy"].update(found))


def test_fallen_precision_is_blamed_where_fp32_is_fine(run):
    set_top1(run, "int8", "onnxruntime", 0.08)
    found = next(text for text in said(run) if "chance" in text)
    assert "The FP32 reference fp32/onnxruntime is fine" in found
    assert "this precision destroyed it" in found
    assert "untrained" not in found


def test_model_is_blamed_only_where_the_reference_is_at_chance(run):
    set_top1(run, "fp32", "onnxruntime", 0.1)
    set_top1(run, "int8", "onnxruntime", 0.1)
    found = [text for text in said(run) if "at chance level" in text]
    assert [text.split()[0] for text in found] == ["fp32/onnxruntime", "int8/onnxruntime"]
    assert all("untrained or wrongly fed" in text for text in found)


def test_nothing_is_blamed_without_a_reference(run):
    set_top1(run, "int8", "onnxruntime", 0.1)
    run.rewrite_all(lambda content: content.update(reference=None))
    found = next(text for text in notes(read_evidence(run.sources, None), EN) if "at chance level" in text)
    assert "not known whether the precision or the model is to blame" in found


@pytest.mark.parametrize(("high", "at_chance"), [(0.168, True), (0.169, False)])
def test_chance_has_the_margin_of_the_verdict(run, high, at_chance):
    """Chance is 0.125 here, the margin 5 % of the way to 1: 0.16875."""
    set_top1(run, "int8", "onnxruntime", high)
    assert any("chance level" in text for text in said(run)) == at_chance
    criterion = run.verdict().cells["int8/onnxruntime"].criteria[0]
    assert criterion.name == "chance"
    assert (criterion.verdict == "fail") == at_chance


@pytest.mark.parametrize("words", [EN, JA], ids=["en", "ja"])
def test_answers_that_are_no_numbers_are_said(run, words):
    run.rewrite("fp16", lambda content: content["litert"]["accuracy"].update(nonfinite=10))
    assert words("note_nonfinite", cell="fp16/litert", count=10, samples=360) in said(run, words)


@pytest.mark.parametrize("words", [EN, JA], ids=["en", "ja"])
def test_busy_machine_makes_intervals_too_narrow(run, words):
    busy = {"stop_reason": "budget", "warnings": [NOISY]}
    run.rewrite("int8", lambda content: content["litert"]["batch_1"].update(busy))
    page = Page()
    answer_section(page, run.evidence(), words)
    width = words("width_unknown")
    named = words("answer_narrow", cells=words("cell_batch", cell="int8/litert", batch=1), width=width)
    told = next(block for block in page.blocks if isinstance(block, Paragraph) and named in block.text)
    assert told.weight == "warning"
    assert words("count_some", part=1, count=12) in told.text


def test_noise_is_told_in_one_way_with_that_of_what_ships(run):
    """A reader takes batches that a warning does not count for clean, and looks for the winner's own spread."""
    noisy = {"warnings": [NOISY], "cv": 0.85}
    for name in ("fp32", "fp16", "int8"):
        run.rewrite(
            name,
            lambda content: [
                content[backend][f"batch_{size}"].update(noisy)
                for backend in ("onnxruntime", "litert")
                for size in (1, 32)
            ],
        )
    evidence, page = run.evidence(), Page()
    answer_section(page, evidence, EN)
    (told,) = (text for text in texts_in(page.blocks) if "Single runs varied" in text)
    assert "by more than 2.5\u00a0% in all 12 timed batches (for what ships by 85\u00a0% at batch size 1, 85" in told
    assert any(text.startswith("Timed batches with a warning: all 12 (single runs vary: 12)") for text in said(run))


@pytest.mark.parametrize(
    "batch", [{"stop_reason": "budget", "warnings": []}, {"stop_reason": "target", "warnings": [NOISY]}]
)
def test_intervals_are_trusted_where_noise_or_budget_is_missing(run, batch):
    run.rewrite("int8", lambda content: content["litert"]["batch_1"].update(batch))
    page = Page()
    answer_section(page, run.evidence(), EN)
    assert not any("too narrow" in text for text in texts_in(page.blocks))
