"""What is compared with its names in one language, and tables of cell × run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from roundoff.comparison.compared import Compared, Numbers
from roundoff.comparison.facets import MACHINE, Facet
from roundoff.comparison.labels import labels_of, machine_names, value_words
from roundoff.comparison.run import Run
from roundoff.report.render.document import Beside, Block, Field, Heading, Page, Table, row
from roundoff.report.words.numbers import MISSING
from roundoff.results.message import Words

MOST_COLUMNS = 6
"""Runs in one table: more make another."""
NARROW, GAP = 68, 2
"""Letters across a table that leaves room for another one beside it, and of them between two columns."""
Figure = Callable[[int, str], Field | str]


def side_by_side(tables: Iterable[Table]) -> list[Block]:
    """Narrow tables in pairs, wide ones below each other."""
    every = list(tables)
    if any(_letters(table) > NARROW for table in every):
        return [*every]
    pairs = zip_longest(every[::2], every[1::2])
    return [Beside((left,), (right,)) if right else left for left, right in pairs]


def _letters(table: Table) -> int:
    columns = zip(table.columns, *([field.text for field in fields] for fields in table.rows), strict=True)
    return sum(max(map(len, column)) + GAP for column in columns)


@dataclass(frozen=True)
class Sheet:
    """What is compared, and the names that it has in one language."""

    compared: Compared
    words: Words

    @property
    def runs(self) -> Sequence[Run]:
        return self.compared.runs

    @cached_property
    def machines(self) -> dict[str, str]:
        """Names by the id of the fingerprint."""
        return machine_names(self.runs, self.words)

    @cached_property
    def labels(self) -> list[str]:
        """A name for each run."""
        return labels_of(self.runs, self.compared.facets, self.machines)

    @cached_property
    def short_labels(self) -> list[str]:
        """The same without what their group has in common."""
        facet = self.compared.facet
        return self.labels_without(facet.key) if facet and not self.one_table else self.labels

    def labels_without(self, key: str) -> list[str]:
        """The same without the value of a facet that stands elsewhere."""
        return labels_of(self.runs, self.compared.facets, self.machines, key)

    @property
    def one_table(self) -> bool:
        """Whether the groups stand beside each other: they are few runs, or each is one."""
        return len(self.runs) <= MOST_COLUMNS or all(len(group) == 1 for group in self.compared.groups)

    @property
    def several_batches(self) -> bool:
        """Whether the runs rank cells at different batch sizes."""
        return len({run.batch_size for run in self.runs}) > 1

    @property
    def batches(self) -> str:
        """The batch sizes that the runs rank cells at."""
        sizes = dict.fromkeys(f"{run.batch_size:,}" for run in self.runs if run.batch_size)
        return self.words.listed(sizes) if sizes else MISSING

    def heading(self, page: Page, name: str) -> None:
        """The heading of a section."""
        page.add(Heading(2, self.words(f"compare_{name}_heading"), f"compare-{name}"))

    def tables(self, caption: str, figure: Figure, numbers: Numbers | None = None) -> Iterator[Table]:
        """Cell × run, a table for each group of `numbers` (None: all); rows in which nothing stands are left out."""
        for title, group in self._groups(numbers or self.compared.order):
            for start in range(0, len(group), MOST_COLUMNS):
                part = group[start : start + MOST_COLUMNS]
                rows = tuple(self._row(cell, part, figure) for cell in self.compared.cells)
                shown = tuple(each for each in rows if any(field.text != MISSING for field in each[1:]))
                columns = (self.words("col_cell"), *(self.short_labels[number] for number in part))
                if shown:
                    yield Table(self._caption(title, caption), columns, shown)

    def _row(self, cell: str, numbers: Numbers, figure: Figure) -> tuple[Field, ...]:
        return row(cell, *(figure(number, cell) for number in numbers))

    def _groups(self, numbers: Numbers) -> Iterator[tuple[str, Numbers]]:
        facet = self.compared.facet
        if facet is None or self.one_table:
            yield "", tuple(number for number in self.compared.order if number in numbers)
            return
        for group in self.compared.groups:
            part = tuple(number for number in group if number in numbers)
            if part:
                yield self._title(facet, part[0]), part

    def _title(self, facet: Facet, number: int) -> str:
        value = value_words(facet, number, self.machines)
        return value if facet.key == MACHINE else f"{facet.key} {value}"

    def _caption(self, title: str, caption: str) -> str:
        return self.words("compare_group", group=title, caption=caption) if title else caption
