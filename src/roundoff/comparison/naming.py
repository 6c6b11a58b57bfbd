"""What the plots of a comparison are of, and what names a point in them."""

from __future__ import annotations

from roundoff.comparison.facets import MACHINE, Facet
from roundoff.comparison.front import Field, Place
from roundoff.comparison.labels import BETWEEN
from roundoff.comparison.sheet import Sheet


def what_words(field: Field, sheet: Sheet) -> str:
    """Which runs a plot is of: the machine, and what they share where others differ."""
    first = field.numbers[0]
    machine, label = sheet.machines[sheet.runs[first].machine], sheet.labels[first]
    if len(field.numbers) == 1:
        return label if machine in label else BETWEEN.join([machine, label])
    shared = [facet.values[first] for facet in sheet.compared.facets if facet.key != MACHINE and _shared(facet, field)]
    return BETWEEN.join([machine, *filter(None, shared)])


def place_name(place: Place, sheet: Sheet, field: Field) -> str:
    """The cell, with the run where its engine is not that of all of them."""
    if {place.number, *place.also} == set(field.numbers):
        return place.cell
    values = [facet.values[place.number] for facet in sheet.compared.facets if not _shared(facet, field)]
    name = BETWEEN.join(filter(None, values)) or sheet.labels[place.number]
    return sheet.words("compare_cell_of_run", cell=place.cell, run=name)


def _shared(facet: Facet, field: Field) -> bool:
    return len({facet.values[number] for number in field.numbers}) == 1
