"""All that is said of several runs, before it is put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from roundoff.comparison.comparable import classes_of, why_not
from roundoff.comparison.facets import Facet, facet_of, facets_of
from roundoff.comparison.run import Run
from roundoff.comparison.touched import Touch, touches
from roundoff.results.message import Message
from roundoff.results.verdict import Requirements
from roundoff.revisions.revision_context import asked
from roundoff.system.slots import REFERENCE_PRECISION

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Compared:
    """Runs, and by which facet they are put into groups (None: the one that tells them apart first)."""

    runs: Sequence[Run]
    by: str | None = None

    @cached_property
    def facets(self) -> list[Facet]:
        """In which the runs differ."""
        return facets_of(self.runs)

    @cached_property
    def facet(self) -> Facet | None:
        """By which they are grouped; None where nothing tells them apart. Raises ConfigError for an unknown one."""
        if self.by is not None:
            return facet_of(self.by, self.runs, self.facets)
        return next(iter(self.facets), None)

    @cached_property
    def groups(self) -> list[Numbers]:
        """The numbers of the runs with one value of the facet, in the order in which the values appear."""
        if self.facet is None:
            return [tuple(range(len(self.runs)))]
        values = self.facet.values
        return [tuple(n for n, value in enumerate(values) if value == each) for each in self.facet.distinct]

    @property
    def order(self) -> Numbers:
        """All runs, group by group."""
        return tuple(number for group in self.groups for number in group)

    @cached_property
    def cells(self) -> list[str]:
        """Every cell that was measured in any run: by backend as they appear, FP32 first."""
        names = list(dict.fromkeys(name for run in self.runs for name in run.metrics.cells if run.cell(name)))
        backends = list(dict.fromkeys(name.partition("/")[2] for name in names))

        def place(name: str) -> tuple[int, bool]:
            precision, _, backend = name.partition("/")
            return backends.index(backend), precision != REFERENCE_PRECISION

        return sorted(names, key=place)

    @cached_property
    def classes(self) -> list[list[int]]:
        """The runs whose accuracies may be compared with one another."""
        return classes_of(self.runs)

    @cached_property
    def apart(self) -> dict[int, list[Message]]:
        """The runs whose accuracy may not be compared with the first one's, and why."""
        found = {number: why_not(self.runs[0], run) for number, run in enumerate(self.runs)}
        return {number: reasons for number, reasons in found.items() if reasons and number}

    @cached_property
    def touches(self) -> list[Touch]:
        """What each setting in which the runs differ does to each cell."""
        return touches(self.runs, self.facets)

    @property
    def machines(self) -> dict[str, Numbers]:
        """The runs on each machine, by the id of its fingerprint."""
        ids = dict.fromkeys(run.machine for run in self.runs)
        return {each: tuple(n for n, run in enumerate(self.runs) if run.machine == each) for each in ids}

    @property
    def several_machines(self) -> bool:
        return len(self.machines) > 1

    @property
    def same_target(self) -> bool:
        """Whether all verdicts answer the same question, as far as it was recorded."""
        targets = [run.verdict.target for run in self.runs if isinstance(run.verdict.target, Requirements)]
        return all(asked(target) == asked(targets[0]) for target in targets)
