"""A sentence decides nothing: with every sentence of the catalogue replaced, all that is not a word is the same."""

from dataclasses import fields

import pytest

from roundoff.report.render.document import Field, Glossary
from roundoff.report.report import Report
from roundoff.report.sections.method import RULES
from roundoff.report.words.decision import Decision
from roundoff.results.cell import Batch, BindingInfo, CellMetrics
from roundoff.results.checked import as_json
from roundoff.results.message import Words, message
from roundoff.results.run import Conditions

pytestmark = pytest.mark.slow  # draws reports with every sentence reworded

NOISY = [message("noisy", cv=0.3), message("throttled", rounds=2)]


@pytest.fixture
def busy(run):
    """A run with notes, warnings, failures, throttling, and no CUDA graph."""
    graph = BindingInfo(cuda_graph=False, no_cuda_graph_reason=message("kind_weight"))
    batch = {"stop_reason": "budget", "warnings": as_json(NOISY), "binding_info": as_json(graph)}
    failed = as_json(Batch(status="failed", reason=message("kind_weight"), detail="words", rerun="dvc repro"))
    counted = message("rounded_only", total=10, counts=[message("layers_in", count=1, kind="float32")], named="int8")

    def change(content):
        content["litert"]["batch_1"].update(batch)
        content["litert"].update(notes=as_json([message("kind_weight")]), batch_32=failed)
        content["onnxruntime"]["numerics"].update(layer_types={"int8": 9, "float32": 1})
        content["onnxruntime"].update(notes=as_json([counted]))

    run.rewrite("int8", change)
    absent = as_json(CellMetrics(status="failed", reason=message("kind_weight"), rerun="dvc repro"))
    run.rewrite("fp16", lambda content: content.update(litert=absent))
    conditions = as_json(Conditions(throttle_reasons=["power_cap"], sm_clock_mhz=(1400, 1700)))
    run.rewrite_all(lambda content: content["method"]["devices"]["cpu"].update(conditions=conditions))
    return run


def decided(run):
    """All that a report decides: verdicts, the recommended cell, which rules hold, and every block with its tones."""
    evidence = run.evidence(memory_mb=100, latency_ms=1.0)
    rules = {name: rule(evidence, Words("en"))[0] for name, rule in RULES.items()}
    page = Report().page(evidence)
    # how a word may be spelt, which the glossary lists, is words alone
    shapes = [(type(each).__name__, [] if isinstance(each, Glossary) else list(tones(each))) for each in page.blocks]
    shipped = Decision(run.verdict()).shipped
    return as_json(evidence.verdict), as_json(run.verdict()), shipped, rules, shapes, list(page.drawings)


def tones(part):
    """The tones and spans of a block's fields, and how many words, rows and blocks lie in it."""
    if isinstance(part, Field):
        yield part.tone, part.span
    elif isinstance(part, tuple):
        yield len(part)
        for each in part:
            yield from tones(each)
    elif hasattr(part, "__dataclass_fields__"):
        for each in fields(part):
            yield from tones(getattr(part, each.name))


def test_other_sentences_decide_nothing_else(busy, monkeypatch):
    said, call = [], Words.__call__

    def recorded(words, key, /, **values):
        said.append(key)
        return call(words, key, **values)

    monkeypatch.setattr(Words, "__call__", recorded)
    before, keys_before = decided(busy), said.copy()
    said.clear()
    reworded = {key: f"other words {number}" for number, key in enumerate(Words("en").catalogue)}
    monkeypatch.setattr(Words, "catalogue", property(lambda _: reworded))
    assert Words("en")("title") == "other words 0"
    assert decided(busy) == before
    assert said == ["title", *keys_before]
    assert len(set(said)) > 100
