"""The words follow the data."""

import re

import numpy as np
import pytest

from roundoff.report.render.document import Page as Document
from roundoff.report.render.document import Paragraph, Table
from roundoff.report.sections.answer import answer_section, notes_section, uses_section
from roundoff.report.sections.method import method_section
from roundoff.report.sections.precision import precision_section
from roundoff.report.sections.verdicts import warnings
from roundoff.report.words.answer import drop_words
from roundoff.results.cell import Batch
from roundoff.results.checked import as_json
from roundoff.results.message import Words, message, verbatim
from roundoff.revisions.read import read_evidence
from tests.support.present import blocks_in, present, texts_in

EN = Words("en")
NOT_BUILT = as_json(verbatim("not built"))


def opened(evidence):
    """What is read first: the answer, the uses, the notes."""
    page = Document()
    for section in (answer_section, uses_section, notes_section):
        section(page, evidence, EN)
    return page.blocks


def texts(run, **target):
    return texts_in(opened(run.evidence(**target)))


def set_accuracy(run, name, backend, **values):
    run.rewrite(name, lambda content: content[backend]["accuracy"].update(values))


def kept(value, low, high):
    return {"relative_accuracy": value, "relative_accuracy_low": low, "relative_accuracy_high": high}


def test_answer_names_precision_and_machine(run):
    lead = texts(run)[1]
    assert "Ship fp32 / onnxruntime" in lead
    assert "Example CPU <v2> @ 2.50GHz, 2 cores" in lead


def test_answer_says_how_sure_and_where_it_holds(run):
    whole = " ".join(texts(run))
    assert "(94.3–98.1) on 360 test images" in whole
    assert "Fingerprint 0123456789ab" in whole
    assert "keep 99\u00a0% of the reference's accuracy" in whole


def test_answer_names_what_was_not_run(run):
    assert "fp32, tf32, fp16, int8 on tensorrt_rtx" in " ".join(texts(run))


def test_answer_admits_that_nothing_passes(run):
    assert texts(run, size_mb=1e-6)[1].startswith("The data allow no recommendation")


def test_answer_says_what_would_decide(run):
    for name in ("fp32", "fp16"):
        run.rewrite(name, lambda content: content["onnxruntime"]["batch_1"].update(slower(content["onnxruntime"])))
    waiting = [text for text in texts(run) if text.startswith("Not decided yet: int8 / litert is")]
    assert re.search(r"is \d\.\d× as fast and gave another answer on 9 of 360 images; about 810 are", waiting[0])
    assert "Until then: ship fp32 / onnxruntime at batch sizes 1 and 32 on this machine" in waiting[0]


def test_answer_names_what_passes_but_was_not_timed(run):
    assert not [text for text in texts(run) if "not timed at batch size" in text]
    set_accuracy(run, "fp16", "onnxruntime", **kept(1.0, 0.995, 1.0), drop=0.0, drop_low=0.0)
    untimed = Batch(status="unavailable", reason=message("no_profile", batch=1, ranges="32"))
    run.rewrite("fp16", lambda content: content["onnxruntime"].update(batch_1=as_json(untimed)))
    told = next(text for text in texts(run) if "not timed at batch size" in text)
    assert "not timed at batch size 1 and so not compared in speed: fp16/onnxruntime." in told


def slower(cell):
    keys = ("end_to_end_p50_ms", "end_to_end_p50_low_ms", "end_to_end_p50_high_ms")
    return {key: 10 * cell["batch_1"][key] for key in keys}


def test_faster_cell_with_a_loss_is_named(run):
    set_accuracy(run, "int8", "onnxruntime", **kept(0.995, 0.991, 0.999), drop=0.005, drop_low=0.001)
    assert any("Faster still, and within the target, is int8 / onnxruntime" in text for text in texts(run))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.002, 0.01, "loses 0.20 to 1.00 percentage points"),
        (-0.01, 0.004, "a loss of up to 0.40 percentage points is not excluded"),
        (-0.02, 0.0, "no degradation"),
        (None, None, "was not measured"),
    ],
)
def test_degradation_is_judged_by_the_interval(run, low, high, said):
    set_accuracy(run, "int8", "litert", drop_low=low, drop_high=high)
    evidence = run.evidence() if low is not None else read_evidence(run.sources, None)
    found = drop_words(present(evidence.cell("int8/litert")), evidence, EN)
    assert said in found
    assert ("no degradation" in found) == (said == "no degradation")


def test_reference_is_not_compared_with_itself(run):
    evidence = run.evidence()
    assert "it is the reference" in drop_words(evidence.cell(evidence.reference), evidence, EN)


def test_chance_level_is_said(run):
    set_accuracy(run, "int8", "onnxruntime", top1=0.1, top1_low=0.07, top1_high=0.12, correct=36)
    assert any("int8/onnxruntime is at chance level" in text for text in texts(run))


def test_good_model_is_not_called_chance(run):
    assert not any("chance level" in text for text in texts(run))


def test_tf32_in_the_fp32_row_is_said(run):
    def relabel(content):
        content["litert"]["effective_precision"] = "tf32"
        content["litert"]["numerics"]["relative_error"] = 1.1e-3

    run.rewrite("fp32", relabel)
    assert any("asked for as fp32 but computes as tf32" in text and "1.1e-03" in text for text in texts(run))


def test_missing_fp32_is_said(run):
    lost = {"status": "unavailable", "reason": NOT_BUILT, "accuracy": None}
    run.rewrite("fp32", lambda content: content["litert"].update(lost))
    assert any("litert has no measured FP32" in text for text in texts_in(opened(read_evidence(run.sources, None))))


def test_missing_verdict_recommends_nothing(run):
    assert texts_in(opened(read_evidence(run.sources, None)))[1] == EN("verdict_missing")


@pytest.mark.parametrize(
    ("warning", "said"),
    [
        (message("throttled", rounds=2), "was throttled while it was timed: "),
        (message("noisy", cv=0.04), "noisy: "),
        (message("host_bound", enqueue_ms=2.0, device_ms=1.0), "host-bound, the time to enqueue limits it"),
        (message("copy_bound", copy_ms=2.0, device_ms=1.0), "copies take longer than the compute: "),
        (message("graph_matters", replay_ms=1.0, enqueued_ms=2.0), "the CUDA graph and single launches differ: "),
        (verbatim("something new"), "batch 32: something new"),
    ],
)
@pytest.mark.parametrize("words", [EN, Words("ja")], ids=["en", "ja"])
def test_warnings_have_their_sentence(run, words, warning, said):
    run.rewrite("int8", lambda content: content["onnxruntime"]["batch_32"].update(warnings=[as_json(warning)]))
    found = [text for text in warnings(run.evidence(), words) if "onnxruntime" in text]
    assert len(found) == 1
    assert found[0].endswith(words.sentence(warning))
    assert words.language != "en" or said in found[0]


def test_host_bound_warning_names_its_cell(run):
    assert any("int8/litert, batch 1: host-bound" in text for text in warnings(run.evidence(), EN))


def rules(run):
    page = Document()
    method_section(page, run.evidence(), EN)
    tables = [block for block in blocks_in(page.blocks) if isinstance(block, Table)]
    return {fields[0].text: (fields[1].text, fields[2].text) for table in tables for fields in table.rows}


def test_method_reports_rules_that_held(run):
    seen = rules(run)
    assert seen[EN("rule_interleaved")] == (
        "12 rounds; timed batches with fewer than two, and so without an interval: none of 12",
        "held",
    )
    assert seen[EN("rule_whole")] == ("360 of 360 test images", "held")
    assert seen[EN("rule_aa_control")][1] == "held"


def test_method_reports_rules_that_did_not_hold(run):
    def spoil(content):
        content["litert"]["batch_1"].update(stop_reason="budget", rounds=1)
        content["litert"]["effective_precision"] = "fp16"

    def shorten(content):
        for cell in content.values():
            if isinstance(cell, dict) and cell.get("accuracy"):
                cell["accuracy"].update(samples=100, correct=95, top1=0.95, top1_low=0.9, top1_high=0.98)

    run.rewrite("int8", spoil)
    for precision in ("fp32", "fp16", "int8"):
        run.rewrite(precision, shorten)
    seen = rules(run)
    for name in ("interleaved", "settled", "whole", "numerics", "quiet"):
        assert seen[EN(f"rule_{name}")][1] == "not held", name


def test_builds_that_differ_show_how_far(run):
    def rebuilt(content):
        for name in ("onnxruntime", "litert"):
            content[name]["builds"] = {"count": 1, "different": 1}

    for precision in ("fp32", "fp16", "int8"):
        run.rewrite(precision, rebuilt)
    assert rules(run)[EN("rule_rebuilt")] == (
        "measured cells that were built once, so that it is not known whether two builds differ: all 6",
        "not judged",
    )

    def several(content):
        content["onnxruntime"]["builds"] = {"count": 3, "different": 2}
        content["onnxruntime"]["batch_1"]["build_p50_ms"] = [0.100, 0.104]

    run.rewrite("int8", several)
    text, held = rules(run)[EN("rule_rebuilt")]
    assert (text.split(";")[0], held) == ("measured cells that were built several times: 1 of 6", "held")
    assert "of these came out differently: all 1, their medians up to 4" in text


def test_control_that_differs_is_not_held(run):
    for name in ("fp32", "fp16", "int8", "more"):
        run.rewrite(name, lambda content: shift(content["method"]["devices"]["cpu"]["aa_control"]["batch_1"]))
    assert rules(run)[EN("rule_aa_control")][1] == "not held"


def shift(control):
    control.update(speedup=1.05, speedup_low=1.04, speedup_high=1.06)


def test_method_without_calibration_says_not_recorded(run):
    (run.sources.metrics / "calibrate.json").unlink()
    assert rules(run)[EN("rule_calibration")][1] == "not recorded"


def test_guesses_that_are_not_finite_have_no_class(run):
    logits = np.load(run.sources.predictions / "int8/onnxruntime.npy")
    logits[0] = np.nan
    run.answer("int8/onnxruntime", logits)
    evidence = run.evidence()
    assert evidence.class_name(evidence.guesses(evidence.cell("int8/onnxruntime"))[0]) == "?"


def test_paragraphs_of_the_answer_are_text(run):
    blocks = blocks_in(opened(run.evidence()))
    assert all(block.text.strip() for block in blocks if isinstance(block, Paragraph))


def test_speed_that_cannot_be_told_apart_is_said(run):
    same = {"speedup": 1.002, "speedup_low": 0.997, "speedup_high": 1.006}
    run.rewrite("int8", lambda content: content["onnxruntime"]["batch_1"].update(same))
    page = Document()
    precision_section(page, run.evidence(), EN)
    fields = [field.text for block in page.blocks if isinstance(block, Table) for line in block.rows for field in line]
    assert fields.count("≈ 1.00× (1.00–1.01)") == 1
