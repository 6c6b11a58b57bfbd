"""Plain words in tables; the runtimes' own, each once, for who wants them."""

from dataclasses import replace

import pytest

from roundoff.report.words.reasons import plain_reason, raw_words
from roundoff.results.cell import CellMetrics
from roundoff.results.message import Words, message, verbatim

EN, JA = Words("en"), Words("ja")
SAID = "cudaGetDeviceCount: cudaErrorInsufficientDriver (CUDA driver version is insufficient)"
NO_DEVICE = message("no_cuda_device", words=SAID)


@pytest.mark.parametrize(
    ("reason", "words", "plain"),
    [
        (NO_DEVICE, EN, "no CUDA device"),
        (message("no_litert", words=SAID), EN, "LiteRT cannot be imported here: pip install ai-edge-litert"),
        (
            message("unsupported_node", library="ORT", where="Conv", words=SAID, remedy="leave it out"),
            EN,
            "ORT does not support Conv; leave it out",
        ),
        (message("fp32_failed", cell="a/b", reason=NO_DEVICE), EN, "a/b is failed: no CUDA device"),
        (message("size_unknown"), JA, "サイズが不明"),
        (verbatim("out of memory"), EN, "out of memory"),
        (verbatim(f"the engine does not load on this machine: {SAID}"), EN, "the engine does not load on this machine"),
        (verbatim(f"no CUDA device: {SAID}"), EN, "no CUDA device"),
        (verbatim("runtime 1.6.1: no kernel for Conv: " + SAID), EN, "runtime 1.6.1: no kernel for Conv"),
        (None, EN, "–"),
    ],
)
def test_a_table_has_the_reason_without_what_the_runtime_said(reason, words, plain):
    assert plain_reason(reason, words) == plain


def test_what_runtimes_said_is_told_once_with_all_that_it_holds_for(run):
    evidence = run.evidence()
    metrics = CellMetrics(status="unavailable", reason=NO_DEVICE)
    cells = tuple(replace(cell, metrics=metrics) if not cell.measured else cell for cell in evidence.cells)
    absent = [cell.key for cell in cells if not cell.measured]
    assert list(raw_words(replace(evidence, cells=cells))) == [(", ".join(absent), SAID)]
