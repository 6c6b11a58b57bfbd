"""What a run is called in a table: by what tells it from the others, else as it was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from roundoff.comparison.facets import MACHINE, Facet
from roundoff.comparison.run import Run
from roundoff.report.sections.machine import machine_name
from roundoff.report.words.numbers import MISSING
from roundoff.results.message import Words

ID_SHOWN = 6
"""Characters of a fingerprint's id, where two machines have one name."""


def machine_names(runs: Sequence[Run], words: Words) -> dict[str, str]:
    """Each machine's name by the id of its fingerprint; with the id where two have the same."""
    names = {run.machine: machine_name(run.metrics.platform, words) for run in runs}
    often = Counter(names.values())
    return {
        each: words("compare_machine_id", name=name, id=each[:ID_SHOWN]) if often[name] > 1 else name
        for each, name in names.items()
    }


def value_words(facet: Facet, number: int, machines: dict[str, str]) -> str:
    """The value of a facet of the run with that number."""
    value = facet.values[number]
    if value is None:
        return MISSING
    return machines.get(value, value) if facet.key == MACHINE else value


def labels_of(
    runs: Sequence[Run], facets: Sequence[Facet], machines: dict[str, str], words: Words, without: str | None = None
) -> list[str]:
    """A label for each run: its values of the facets, but for `without`; its own name where these do not tell it."""
    shown = [facet for facet in facets if facet.key != without]
    told = [
        words.listed(value_words(facet, number, machines) for facet in shown if facet.values[number] is not None)
        for number in range(len(runs))
    ]
    whole = labels_of(runs, facets, machines, words) if without else told
    unique = len(set(whole)) == len(whole)
    return [label if label and unique else run.name for label, run in zip(told, runs, strict=True)]
