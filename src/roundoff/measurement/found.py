"""What timing finds on one device, and on several that share the loads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from roundoff.measurement.output_check import Answers
from roundoff.measurement.samples import Block, Timing
from roundoff.results.cell import BindingInfo
from roundoff.results.shortfall import Shortfall


@dataclass(frozen=True)
class Found:
    """By entry name raw samples, why there are none, how each runs and what its outputs were off by.

    `loads` of all entries, in `seconds`; `load_ms` and `memory_mb` by cell name.
    """

    entries: list[str] = field(default_factory=list)
    timings: dict[str, Timing] = field(default_factory=dict)
    loads: int = 0
    seconds: float = 0.0
    repeated_rounds: int = 0
    missing: dict[str, Shortfall] = field(default_factory=dict)
    info: dict[str, BindingInfo] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    load_ms: dict[str, list[float]] = field(default_factory=dict)
    memory_mb: dict[str, float | None] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """Of the entry that had most."""
        return max((len(timing.blocks) for timing in self.timings.values()), default=0)


def merged(founds: Iterable[Found]) -> Found:
    """All but the raw samples of several devices as one's; the worst answers, the most memory, the first reason."""
    whole = Found()
    for found in founds:
        answers = {name: each.worst(whole.answers.get(name)) for name, each in found.answers.items()}
        times = {name: [*whole.load_ms.get(name, []), *each] for name, each in found.load_ms.items()}
        whole = replace(
            whole,
            entries=list(dict.fromkeys([*whole.entries, *found.entries])),
            loads=whole.loads + found.loads,
            seconds=whole.seconds + found.seconds,
            repeated_rounds=whole.repeated_rounds + found.repeated_rounds,
            missing=found.missing | whole.missing,
            info=found.info | whole.info,
            answers=whole.answers | answers,
            load_ms=whole.load_ms | times,
            memory_mb=_most(whole.memory_mb, found.memory_mb),
        )
    return whole


def _most(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> dict[str, float | None]:
    known = {name: [each[name] for each in (a, b) if each.get(name) is not None] for name in (*a, *b)}
    return {name: max((mb for mb in each if mb is not None), default=None) for name, each in known.items()}


def merged_blocks(name: str, founds: Mapping[int, Found], devices: int) -> list[Block]:
    """An entry's blocks of several devices, by their places: load n of place p becomes load n × devices + p.

    So the loads that ran at one time stand side by side, each has a number of its own, and tells its device.
    """
    numbered = [
        replace(block, load=block.load * devices + place)
        for place, found in founds.items()
        if name in found.timings
        for block in found.timings[name].blocks
    ]
    return sorted(numbered, key=lambda block: block.load)
