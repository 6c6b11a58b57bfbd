"""What a run is called in a table: by what tells it from the others, else as it was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from roundoff.comparison.facets import MACHINE, Facet
from roundoff.comparison.run import Run
from roundoff.report.sections.machine import machine_name
from roundoff.report.words.numbers import MISSING
from roundoff.results.message import Words

ID_SHOWN = 6
"""Characters of a fingerprint's id, where two machines have one name."""

MOST_SHOWN = 3
"""Values that make a label."""
BETWEEN = " · "


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
    runs: Sequence[Run], facets: Sequence[Facet], machines: dict[str, str], without: str | None = None
) -> list[str]:
    """A label for each run: its values of the facets, but for `without`; its own name where these do not tell it, and
    where they are many."""
    unique = len({tuple(facet.values[number] for facet in facets) for number in range(len(runs))}) == len(runs)
    shown = [facet for facet in facets if facet.key != without]
    if not unique or len(shown) > MOST_SHOWN:
        return short_names(runs)
    told = [
        BETWEEN.join(value_words(facet, number, machines) for facet in shown if facet.values[number] is not None)
        for number in range(len(runs))
    ]
    return [label or name for label, name in zip(told, short_names(runs), strict=True)]


def short_names(runs: Sequence[Run]) -> list[str]:
    """The runs' own names, without the folders that all of them lie in."""
    parts = [PurePosixPath(run.name).parts for run in runs]
    shared = 0
    while all(len(each) > shared + 1 for each in parts) and len({each[: shared + 1] for each in parts}) == 1:
        shared += 1
    return [
        run.name if not shared else str(PurePosixPath(*each[shared:])) for run, each in zip(runs, parts, strict=True)
    ]
