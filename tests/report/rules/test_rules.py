"""Every rule of the method can hold, fail and not be known, by what the run's files say."""

import pytest

from roundoff.report.render.document import Details, Page, Table
from roundoff.report.sections.method import RULES, method_section
from roundoff.results.cell import BindingInfo, Energy
from roundoff.results.checked import as_json
from roundoff.results.message import Words, message, verbatim
from roundoff.results.run import Conditions
from roundoff.system.files import read_json, write_json
from tests.support.present import blocks_in

EN = Words("en")
STEADY = as_json(Conditions(sm_clock_mhz=(1980, 1980), throttle_reasons=[]))
QUIET, CAPPED = as_json(Conditions(throttle_reasons=[])), as_json(Conditions(throttle_reasons=["power_cap"]))
GPU = {"conditions": STEADY, "repeated_rounds": 2, "waited_s": 3.5}


def seen(run, name, words=EN):
    return RULES[name](run.evidence(), words)


def every_batch(run, **values):
    """Set `values` in every batch of every cell."""

    def change(content):
        cells = [cell for cell in content.values() if isinstance(cell, dict) and "status" in cell]
        for cell in cells:
            for key in cell:
                if key.startswith("batch_"):
                    cell[key].update(values)

    for name in ("fp32", "fp16", "int8"):
        run.rewrite(name, change)


def bound(run, **values):
    """Set `values` in how every engine ran."""
    every_batch(run, binding_info=as_json(BindingInfo()) | values)


def said(text):
    return as_json(verbatim(text))


def device(run, **values):
    run.rewrite_all(lambda content: content["method"]["devices"]["cpu"].update(values))


def asked(run, **values):
    run.rewrite_all(lambda content: content["method"]["evaluate"].update(values))


def calibrated(run, **values):
    run.rewrite("calibrate", lambda content: content.update(values))


def manifest(run, **values):
    path = run.sources.prepared / "manifest.json"
    write_json(path, read_json(path) | values)


def layers(run, name, backend, types):
    run.rewrite(name, lambda content: content[backend]["numerics"].update(layer_types=types))


FAILURES = {
    "interleaved": lambda run: device(run, cells=["fp32/onnxruntime", "int8/onnxruntime"]),
    "warmed_up": lambda run: asked(run, warmup_ms=20.0),
    "runs": lambda run: every_batch(run, device_p999_ms=0.2),
    "quiet": lambda run: device(run, conditions=CAPPED),
    "cuda_graphs": lambda run: bound(run, cuda_graph=False, no_cuda_graph_reason=said("not supported")),
    "energy_read": lambda run: None,
    "whole": lambda run: manifest(run, counts={"train": 1437, "test": 1000}),
    "chance": lambda run: run.rewrite("int8", lambda content: content["litert"]["accuracy"].update(top1_low=0.16)),
    "calibration": lambda run: calibrated(run, warnings=[said("clipping: conv clips 2.00 % of its nonzero values")]),
    "numerics": lambda run: layers(run, "fp16", "litert", {"float32": 22}),
    "outputs": lambda run: every_batch(run, output_error=1e-2, output_tolerance=1e-5),
}
UNKNOWN = {
    "interleaved": lambda run: device(run, cells=[]),
    "warmed_up": lambda run: asked(run, warmup_ms=None),
    "runs": lambda run: every_batch(run, runs=0),
    "quiet": lambda run: every_batch(run, runs=0),
    "cuda_graphs": lambda run: None,
    "conditions": lambda run: None,
    "energy_read": lambda run: [
        run.rewrite(name, lambda content: [content[b].update(energy=None) for b in ("onnxruntime", "litert")])
        for name in ("fp32", "fp16", "int8")
    ],
    "whole": lambda run: manifest(run, counts={}),
    "calibration": lambda run: run.rewrite("calibrate", lambda content: content.pop("warnings")),
    "numerics": lambda run: None,
    "outputs": lambda run: None,
}


@pytest.mark.parametrize("name", FAILURES)
def test_rule_is_not_held(run, name):
    FAILURES[name](run)
    assert seen(run, name)[0] is False


@pytest.mark.parametrize("name", UNKNOWN)
def test_rule_is_unknown_where_nothing_is_recorded(run, name):
    UNKNOWN[name](run)
    assert seen(run, name)[0] is None


@pytest.mark.parametrize("name", ["interleaved", "warmed_up", "runs", "whole", "chance", "calibration"])
def test_rule_is_held(run, name):
    assert seen(run, name)[0] is True


def test_quiet_device_is_called_quiet(run):
    every_batch(run, warnings=[])
    device(run, conditions=QUIET)
    assert seen(run, "quiet") == (True, "timed batches with a warning: none of 12")


def test_a_device_whose_throttling_was_not_read_is_not_called_quiet(run):
    every_batch(run, warnings=[])
    text = "timed batches with a warning: none of 12; throttling was not read: CPU"
    assert seen(run, "quiet") == (None, text)
    every_batch(run, warnings=[as_json(message("noisy", cv=0.1))])
    assert seen(run, "quiet")[0] is False


def test_where_no_device_is_named_none_is_called_quiet(run):
    every_batch(run, warnings=[])
    run.rewrite_all(lambda content: content["method"].update(devices={}))
    assert seen(run, "quiet")[0] is None


def test_cells_without_their_fp32_beside_them_are_named(run):
    device(run, cells=["fp32/onnxruntime", "fp16/onnxruntime", "int8/onnxruntime", "fp32/litert", "int8/litert"])
    assert seen(run, "interleaved")[1].endswith("not timed beside their FP32: fp16/litert")


def test_short_timing_is_no_warm_measurement(run):
    run.rewrite("int8", lambda content: content["litert"]["batch_1"].update(measured_s=0.4))
    held, text = seen(run, "warmed_up")
    assert held is False
    assert "0.40 to 3.1 s" in text


def test_unfounded_percentiles_are_counted(run):
    run.rewrite("int8", lambda content: content["litert"]["batch_1"].update(runs=100))
    held, text = seen(run, "runs")
    assert held is False
    assert "stated from too few: 4" in text


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"calibration_indices": [*range(100), 5000, *range(300)]}, "1 outside the training split"),
        ({"duplicates": {"count": 2, "train_indices": [4, 8]}}, "2 whose pixels are in the test split"),
        ({"calibration_indices": list(range(0, 20, 2))}, "10 training indices"),
    ],
)
def test_calibration_images_are_checked_against_the_manifest(run, change, shown):
    manifest(run, **change)
    held, text = seen(run, "calibration")
    assert held is False
    assert shown in text


def test_calibration_shows_seed_number_and_warnings(run):
    held, text = seen(run, "calibration")
    assert held
    assert "method entropy; 320 images; 64 held out" in text
    assert "320 training indices of seed 0: 0 outside the training split" in text
    calibrated(run, warnings=["classes: 9 of 10 classes are among the calibration images"])
    assert "warning: classes: 9 of 10" in seen(run, "calibration")[1]


def test_calibration_without_a_seed_is_unknown(run):
    manifest(run, seed=None)
    assert seen(run, "calibration")[0] is None


def test_conditions_show_spans_rounds_and_wait(run):
    device(run, **GPU)
    assert seen(run, "conditions") == (
        True,
        "CPU: SM clock 1,980 MHz, not held back, rounds repeated: 2, waiting for other jobs: 3.5 s",
    )


def test_a_wait_of_microseconds_is_none(run):
    device(run, waited_s=4.8e-6)
    assert seen(run, "conditions")[1].endswith("waiting for other jobs: none")


def test_conditions_that_were_not_read_have_their_reason(run):
    why = message("seen_built_once", count=7)  # of the catalogue; any will do
    device(run, conditions_reason=as_json(why))
    for words in (EN, Words("ja")):
        held, text = seen(run, "conditions", words)
        assert held is None
        assert words("seen_unread", reason=why) in text
        assert words("seen_repeated", count=0) in text


def test_gpu_is_called_by_its_name(run):
    gpu = {"name": "NVIDIA H100", "uuid": "GPU-1", "sm": "9.0", "memory_mb": 81559}

    def move(content):
        content["platform"]["gpus"] = [gpu]
        content["method"]["devices"] = {"GPU-1": content["method"]["devices"]["cpu"] | GPU}

    run.rewrite_all(move)
    assert seen(run, "conditions")[1].startswith("NVIDIA H100: SM clock")


def test_graphs_energy_and_outputs_hold_where_recorded(run):
    bound(run, cuda_graph=True)
    every_batch(run, output_error=1e-6, output_tolerance=1e-5)
    energy = as_json(Energy(mj_per_image=1.2, batch_size=32, power_w=300.0, source=verbatim("the counter")))
    for name in ("fp32", "fp16", "int8"):
        run.rewrite(name, lambda content: [content[b].update(energy=energy) for b in ("onnxruntime", "litert")])
    assert seen(run, "cuda_graphs") == (True, "timed batches that run from a CUDA graph: all 12")
    assert seen(run, "energy_read") == (True, "cells with a figure: all 6: the counter")
    agreed = "timed batches that agree: all 12; largest difference: 10\u00a0% of what is allowed"
    assert seen(run, "outputs") == (True, agreed)


@pytest.mark.parametrize(("error", "shown"), [(0.0, "none"), (1e-9, "< 1\u00a0% of what is allowed")])
def test_no_difference_is_not_said_as_a_share(run, error, shown):
    every_batch(run, output_error=error, output_tolerance=1e-5)
    assert seen(run, "outputs")[1].endswith(f"largest difference: {shown}")


def test_the_width_that_was_asked_for_is_said(run):
    asked(run, interval_target=0.01)
    assert seen(run, "settled")[1].startswith("interval of the speed-up within ±1\u00a0%: all 12 timed batches;")


def test_what_stopped_early_is_not_said_to_be_within_the_width(run):
    asked(run, interval_target=0.01)
    every_batch(run, stop_reason="early")
    held, said = seen(run, "settled")
    assert held
    assert "none of 12 timed batches; ended before the minimum" in said
    assert "as soon as they were decided or their time was used up: all 12;" in said


def test_numerics_hold_where_layers_say_so(run):
    for name, kind in (("fp32", "float32"), ("fp16", "float16"), ("int8", "int8")):
        for backend in ("onnxruntime", "litert"):
            layers(run, name, backend, {kind: 21})
    layers(run, "int8", "litert", {"int8": 20, "float32": 1})
    held, text = seen(run, "numerics")
    assert held is True
    assert (
        text
        == "measured cells that do not: none of 6; that do not tell: none of 6; int8/litert: 1 in float32, of 21 layers"
    )


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_rule_has_a_row(run, language):
    page, words = Page(), Words(language)
    method_section(page, run.evidence(), words)
    tables = [block for block in blocks_in(page.blocks) if isinstance(block, Table)]
    named = [line[0].text for table in tables for line in table.rows]
    assert sorted(named) == sorted(words(f"rule_{name}") for name in RULES)


def test_rules_that_held_fold_away_and_the_mark_of_the_others_says_what_the_words_say(run):
    """A question mark beside "not held" is neither."""
    page = Page()
    method_section(page, run.evidence(), EN)
    (table,) = (block for block in page.blocks if isinstance(block, Table))
    assert {(line[2].text, line[2].tone) for line in table.rows} <= {
        ("not held", "bad"),
        ("not judged", "muted"),
        ("not recorded", "muted"),
    }
    (held,) = (block for block in page.blocks if isinstance(block, Details))
    assert isinstance(held.blocks[0], Table)
    assert {line[2].text for line in held.blocks[0].rows} == {"held"}
