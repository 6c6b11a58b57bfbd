"""What tells runs apart: the machine, and the settings that are not the same in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from roundoff.comparison.run import Run
from roundoff.errors import ConfigError
from roundoff.pipeline.groups import written

MACHINE = "machine"
NAMED = ("model", "calibrate")
"""Sections whose choice a stage gives a name to, which is shorter than its keys."""
OF_NO_CELL = ("paths", "report", "sweep")
"""Sections that no figure depends on."""
KIND = "_target_"


@dataclass(frozen=True)
class Facet:
    """A key, and the value that each run has for it, in the order of the runs; None: not recorded."""

    key: str
    values: tuple[str | None, ...]

    @property
    def distinct(self) -> tuple[str | None, ...]:
        """Its values, each once."""
        return tuple(dict.fromkeys(self.values))


def facets_of(runs: Sequence[Run]) -> list[Facet]:
    """Those in which the runs differ, the machine first, then sections of the configuration."""
    sections = dict.fromkeys([*NAMED, *(name for run in runs for name in run.settings)])
    found = [Facet(MACHINE, tuple(run.machine for run in runs))]
    found += [facet for name in sections if name not in OF_NO_CELL for facet in _of_section(name, runs)]
    return [facet for facet in found if len({*facet.values} - {None}) > 1]


def facet_of(key: str, runs: Sequence[Run], differing: Sequence[Facet]) -> Facet:
    """The facet of that key, whether the runs differ in it or not; raises ConfigError for what no run has."""
    if found := next((facet for facet in differing if facet.key == key), None):
        return found
    values = tuple(_value(key, run) for run in runs)
    if key == MACHINE or any(value is not None for value in values):
        return Facet(key, values)
    raise ConfigError(
        f"no run has the setting {key}",
        received=f"--by {key}",
        expected=f"{MACHINE}, or a key of params.yaml; here differ: {', '.join(one.key for one in differing)}",
        fix="name one of these",
    )


def _value(key: str, run: Run) -> str | None:
    if key == MACHINE:
        return run.machine
    if key in run.told:
        return run.told[key]
    return leaves(run.settings).get(key) or leaves(run.settings).get(f"{key}.{KIND}")


def _of_section(name: str, runs: Sequence[Run]) -> Iterator[Facet]:
    """The section as one facet where its name tells its contents apart, else a facet for each of its keys."""
    keys = [leaves(run.settings.get(name, {}), name) if run.settings else None for run in runs]
    contents = [None if each is None else tuple(sorted(each.items())) for each in keys]
    told = tuple(run.told.get(name) for run in runs)
    if _tells_apart(told, contents):
        yield Facet(name, told)
        return
    for key in dict.fromkeys(key for each in keys if each for key in each):
        values = tuple(None if each is None else each.get(key, "–") for each in keys)
        if key.endswith(f".{KIND}"):
            yield Facet(key.removesuffix(f".{KIND}"), tuple(value and value.rpartition(".")[2] for value in values))
        elif all(each is None or key in each for each in keys):
            yield Facet(key, values)


def _tells_apart(told: Sequence[str | None], contents: Sequence[object]) -> bool:
    """Whether each content has a name of its own; names alone do where no content is known."""
    pairs = {(name, content) for name, content in zip(told, contents, strict=True) if content is not None}
    names = {name for name, _ in pairs}
    return None not in names and len(names) == len(pairs)


def leaves(value: object, above: str = "") -> dict[str, str]:
    """The values of nested settings as text, by dotted key; a list is one value."""
    if not isinstance(value, Mapping):
        return {above: written(value)}
    found: dict[str, str] = {}
    for name, each in value.items():
        found |= leaves(each, f"{above}.{name}" if above else str(name))
    return found
