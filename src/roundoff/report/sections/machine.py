"""The machine that the figures come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roundoff.report.render.document import Heading, Page, Paragraph, Table, row
from roundoff.report.words.numbers import MISSING
from roundoff.results.checked import as_json
from roundoff.results.message import Words
from roundoff.results.platform import Platform
from roundoff.revisions.read import Evidence


def machine_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Every part of the fingerprint that this machine has."""
    parts = _flat(as_json(evidence.platform))
    rows = tuple(row(name, value) for name, value in parts if value != MISSING)
    columns = (words("col_item"), words("col_value"))
    page.add(Heading(2, words("machine_heading"), "machine"), Table(words("machine_caption"), columns, rows, labels=2))
    if absent := [name for name, value in parts if value == MISSING]:
        page.add(Paragraph(words("machine_without", names=words.listed(absent)), "note"))


def machine_name(platform: Platform, words: Words) -> str:
    """The GPUs if there are any, else the CPU."""
    if platform.gpus:
        return ", ".join(dict.fromkeys(words("machine_gpu", name=gpu.name, sm=gpu.sm) for gpu in platform.gpus))
    if platform.cpu.cores == 1:
        return words("machine_cpu_one", model=platform.cpu.model)
    return words("machine_cpu", model=platform.cpu.model, cores=platform.cpu.cores)


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested parts as `gpus.0.name`; lists and objects that are empty say so."""
    children = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if children is None:
        return [(prefix, MISSING if value is None else str(value))]
    pairs = [pair for key, child in children for pair in _flat(child, f"{prefix}.{key}" if prefix else str(key))]
    return pairs or [(prefix, MISSING)]
