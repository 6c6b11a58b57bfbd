"""Sentences of other parts of the program in Japanese: the patterns know what those parts really write."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from roundoff.backend.tflite import backend as litert
from roundoff.calibration.observing.noise import Noise
from roundoff.cells import cell
from roundoff.measurement import energy, latency
from roundoff.report.sections.verdicts import WARNING_KINDS, warnings
from roundoff.results.message import Words

JA = Words("ja")
SENTENCE = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+")


def timing_warnings():
    timing = SimpleNamespace(device_ms=np.array([1.0, 2.0, 1.0]))
    facts = {"enqueue_ms": 5.0, "copy_ms": 6.0, "enqueued_device_ms": 9.0}
    return latency.warnings(timing, facts, repeated_rounds=2)


@pytest.mark.parametrize("text", timing_warnings())
def test_warnings_of_the_timing_are_translated(run, text):
    assert text.partition(": ")[0] in WARNING_KINDS
    run.rewrite("int8", lambda content: content["litert"]["batch_1"].update(warnings=[text]))
    shown = warnings(run.evidence(), JA)[-1]
    assert not SENTENCE.search(shown)
    assert set(re.findall(r"\d+\.\d+|\d+(?= rounds)", text.replace("2.5 %", ""))) <= set(re.findall(r"[\d.]+", shown))


@pytest.mark.parametrize(
    "text",
    [
        cell.NOT_HERE,
        cell.NOT_CONFIGURED,
        litert.HALF,
        litert.OWN_RANGES,
        energy.GpuMeter.source,
        energy.RaplMeter.__dataclass_fields__["source"].default,
        energy.monitor_for("cpu").reason,
        *energy.THROTTLE_REASONS.values(),
        *(Noise("t", kind, 1.0, 0.0, 1.0).kind for kind in ("activation", "weight")),
        "no energy counter: /sys/class/powercap has no intel-rapl package",
        "not timed: evaluate.untimed",
        "switched off by cuda_graphs=false",
        "10 runs of one input differ",
        "two runs of one input differ: lanes 0 and 4 answer one input differently",
        "the device-only timed mode does not compute what the accuracy run computed",
        "3 of 360 answers to the test set are not finite numbers",
        "no memory left for laying out its inputs: bad",
        *(f"{doing} failed" for doing in ("the build", "loading the engine", "running the test set", "a timed run")),
        "timing on GPU 1 failed",
    ],
)
def test_sentences_of_other_parts_are_translated(text):
    assert JA.said(text) != text
    assert not SENTENCE.search(JA.said(text))


def test_what_is_not_known_stays_as_it_was_written():
    assert JA.said("something new") == "something new"
    assert Words("en").said("power cap") == "power cap"


def test_japanese_names_the_target_and_limits_as_such():
    catalogue = JA.catalogue
    assert not any("予算" in text or "遵守" in text or "基準値" in text for text in catalogue.values())
    assert all("目標" in catalogue[key] for key in ("check_keep", "check_points", "answer_target", "answer_faster"))


def test_one_figure_is_no_range():
    assert JA.span(35, 35) == "35"
    assert JA.span(12, 35) == "12～35"
