"""The recommended cell against every other one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roundoff.report.render.document import Page, Table
from roundoff.report.sections.head_to_head import head_to_head_table
from roundoff.report.words.ratios import paired_ratio
from roundoff.results.message import Words
from tests.support.present import present

EN, JA = Words("en"), Words("ja")


def set_rounds(run, cell: str, loads: list[int], ms: list[float]) -> None:
    precision, backend = cell.split("/")
    path = run.sources.timings / precision / backend / "batch_1.npz"
    rounds = {"round_load": np.array(loads), "round_end_to_end_ms": np.array(ms)}
    np.savez(path, **(dict(np.load(path)) | rounds))


def table(run, words: Words) -> Table | None:
    page = Page()
    head_to_head_table(page, run.evidence(), words)
    blocks = [block for block in page.blocks if isinstance(block, Table)]
    return blocks[0] if blocks else None


def ratio(run, cell: str, other: str):
    evidence = run.evidence()
    return paired_ratio(evidence, evidence.cell(cell), evidence.cell(other), 1)


def test_the_ratio_is_the_median_over_shared_loads_of_medians_over_their_rounds(run):
    loads = [0, 0, 0, 1, 2, 3, 4, 5, 6]
    set_rounds(run, "int8/litert", loads, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0])
    set_rounds(run, "fp16/onnxruntime", loads[:-1], [1.0, 1.0, 9.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    found = ratio(run, "int8/litert", "fp16/onnxruntime")
    assert (found.value, found.low, found.high) == (3.5, 1.0, 6.0)


@pytest.mark.parametrize("reason", ["early", "target", "budget"])
def test_where_loads_were_looked_at_the_interval_allows_for_it_whatever_ended_them(run, reason):
    loads, ms = list(range(12)), [float(ms) for ms in range(1, 13)]
    set_rounds(run, "int8/litert", loads, [1.0] * 12)
    set_rounds(run, "fp16/onnxruntime", loads, ms)
    whole = ratio(run, "int8/litert", "fp16/onnxruntime")

    def stopped(content):
        content["method"]["evaluate"]["stop_early"] = 0.99
        for cell in content.values():
            if isinstance(cell, dict) and "batch_1" in cell:
                cell["batch_1"]["stop_reason"] = reason

    run.rewrite_all(stopped)
    found = ratio(run, "int8/litert", "fp16/onnxruntime")
    assert (whole.low, whole.high) == (3.0, 10.0)
    assert (found.low, found.high) == (2.0, 11.0)
    assert found.value == whole.value


@pytest.mark.parametrize(
    ("loads", "ms"),
    [([0, 1, 2, 3, 4], [1.0] * 5), ([0, 0, 1, 2, 3, 4, 5], [1.0] * 7)],
    ids=["few loads", "other rounds"],
)
def test_what_cannot_be_paired_has_no_ratio(run, loads, ms):
    set_rounds(run, "int8/litert", loads, ms)
    set_rounds(run, "fp16/onnxruntime", list(range(6)), [2.0] * 6)
    assert ratio(run, "int8/litert", "fp16/onnxruntime") is None


@pytest.mark.parametrize("words", [EN, JA], ids=["en", "ja"])
def test_every_other_measured_cell_has_a_row(run, words):
    found = table(run, words)
    assert found is not None
    assert len(found.rows) == len(run.evidence().measured) - 1
    assert all({"en": "×", "ja": "倍"}[words.language] in cells[-1].text for cells in found.rows)


def test_cells_of_another_device_are_not_compared(run):
    def moved(content) -> None:
        for device in content["method"]["devices"].values():
            device["cells"] = [cell for cell in device["cells"] if cell != "fp32/litert"]

    run.rewrite_all(moved)
    rows = {cells[0].text: cells[-1].text for cells in present(table(run, EN)).rows}
    assert [text for text in rows.values() if text == EN("head_to_head_elsewhere")] == ["timed on another device"]


def test_without_a_recommendation_there_is_no_table(run):
    evidence = run.evidence()
    evidence = replace(evidence, verdict=replace(evidence.verdict, recommendations={}))
    page = Page()
    head_to_head_table(page, evidence, EN)
    assert page.blocks == []
