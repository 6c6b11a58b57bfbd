"""What differs between two revisions: a first line, then the rows that matter, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from roundoff.report.render.markdown import as_it_is
from roundoff.report.words.decision import Decision
from roundoff.results.checked import as_json
from roundoff.revisions.change import Change, Judgement
from roundoff.revisions.diff import differing_contexts, differing_parts
from roundoff.revisions.revision import Snapshot
from roundoff.revisions.revision_context import RevisionContext

MARKS: dict[Judgement, tuple[str, str]] = {
    "worse": ("-", "bold red"),
    "better": ("+", "green"),
    "not comparable": ("!", "yellow"),
    "other machine": ("!", "yellow"),
    "noise unknown": ("?", "dim"),
    "within noise": ("~", "dim"),
    "unchanged": ("=", "dim"),
}
"""Worst first, with the mark and the style of a row."""
MATTER = ("worse", "better")
NOT_JUDGED: tuple[Judgement, ...] = ("not comparable", "other machine", "noise unknown")
IN_WORDS = ("verdict", "status", "computes as")  # figures that are words: changes of these matter, judged or not
NAMES = {
    "top1": "top-1",
    "size_mb": "MB",
    "load_ms": "load ms",
    "memory_mb": "memory MB",
    "device_p50_ms": "device ms",
    "end_to_end_p50_ms": "end to end ms",
    "throughput_per_s": "images/s",
    "speedup": "speed-up",
    "mj_per_image": "mJ/image",
}
NARROW = 80  # also of a file or a pipe
ROOM_FOR_INTERVALS = 100


@dataclass(frozen=True)
class Comparison:
    """Two revisions, what each rests on, and every figure of them."""

    a: Snapshot
    b: Snapshot
    contexts: tuple[RevisionContext, RevisionContext]
    changes: Sequence[Change]

    @property
    def counts(self) -> dict[str, int]:
        """How many figures are proven worse, proven better, within noise, not judged, unchanged."""
        judgements = Counter(change.judgement for change in self.changes)
        judged = {
            "proven worse": judgements["worse"],
            "proven better": judgements["better"],
            "within noise": judgements["within noise"],
        }
        return {
            **judged,
            "not judged": sum(judgements[name] for name in NOT_JUDGED),
            "unchanged": judgements["unchanged"],
        }

    @property
    def ships(self) -> tuple[str | None, str | None]:
        """The cell that each says to ship."""
        return _ships(self.a), _ships(self.b)

    def rows(self, everything: bool) -> list[Change]:
        """The changes that matter, or all, the worst first: what was broken, then by how much."""
        shown = [change for change in self.changes if everything or _matters(change)]
        order = list(MARKS)
        return sorted(shown, key=lambda each: (order.index(each.judgement), each.change is not None, -_size(each)))

    def first_line(self) -> str:
        """What ships before and after, and the counts."""
        before, after = (cell or "nothing" for cell in self.ships)
        ships = f"ships {after}, as before" if before == after else f"ships {after}, before {before}"
        counts = {name: count for name, count in self.counts.items() if name != "unchanged"}
        return f"{ships}: " + ", ".join(f"{count} {name}" for name, count in counts.items())

    def caveats(self) -> Iterator[tuple[str, list[str]]]:
        """What keeps figures from being judged, each with its details."""
        if self.a.machine != self.b.machine:
            parts = differing_parts(as_json(self.a.metrics.platform), as_json(self.b.metrics.platform))
            yield (
                "measured on different machines: no difference is called better or worse",
                [
                    f"fingerprint: {self.a.machine} → {self.b.machine}",
                    *_named(parts),
                ],
            )
        apart, (left, right) = differing_contexts(self.a, self.b, self.contexts), self.contexts
        if "target" in apart:
            targets = differing_parts(as_json(left.target) or {}, as_json(right.target) or {})
            yield "judged by different targets: no verdict is compared", _named(targets)
        if "test set" in apart:
            yield "tested on different images: no verdict or accuracy is compared", []
        if "reference" in apart:
            references = [f"reference: {left.reference} → {right.reference}"]
            yield "compared with different references: no verdict is compared", references
        if "chance margin" in apart:
            margins = [f"chance_margin: {left.chance_margin} → {right.chance_margin}"]
            yield "judged by different margins above chance: no verdict is compared", margins


def show(comparison: Comparison, everything: bool, console: Console) -> None:
    """Print it all for a person."""
    console.print(Text(comparison.first_line(), style="bold"))
    for caveat, details in comparison.caveats():
        console.print(Text(caveat, style="bold yellow"))
        for detail in details:
            console.print(Text(f"  {detail}"))
    rows = comparison.rows(everything)
    if rows:
        console.print()
        console.print(_table(comparison, rows, console.width))
    elif not everything and any(change.judgement != "unchanged" for change in comparison.changes):
        console.print(Text("no difference is proven; --all shows every figure", style="dim"))
    else:
        console.print(Text("no figure differs", style="dim"))


def markdown(comparison: Comparison, everything: bool) -> str:
    """The same as Markdown, for a comment."""
    lines = [f"**{as_it_is(comparison.first_line())}**"]
    for caveat, details in comparison.caveats():
        lines += ["", f"- {as_it_is(caveat)}", *(f"  - {as_it_is(detail)}" for detail in details)]
    rows = comparison.rows(everything)
    if rows:
        heads = ("", "cell", "figure", comparison.a.revision, comparison.b.revision, "change", "95 % interval", "")
        lines += ["", _row(heads), _row(["---"] * len(heads))]
        lines += [_row([MARKS[row.judgement][0], *_texts(row), _interval(row), row.judgement]) for row in rows]
    return "\n".join(lines) + "\n"


def _ships(side: Snapshot) -> str | None:
    choice = Decision(side.verdict).shipped
    return choice.cell if choice else None


def _matters(change: Change) -> bool:
    return change.judgement in MATTER or (change.figure in IN_WORDS and change.judgement != "unchanged")


def _size(change: Change) -> float:
    return abs(change.change or 0.0)


def _named(parts: dict[str, tuple[object, object]]) -> list[str]:
    return [f"{name}: {left} → {right}" for name, (left, right) in parts.items()]


def _table(comparison: Comparison, rows: Sequence[Change], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in ("", "cell", "figure"):
        table.add_column(name, no_wrap=True)
    for name in (comparison.a.revision, comparison.b.revision, "change"):
        table.add_column(name, justify="right", no_wrap=name == "change", max_width=None if name == "change" else 10)
    intervals = width >= ROOM_FOR_INTERVALS
    if intervals:
        table.add_column("95 % interval", justify="right", no_wrap=True)
    for row in rows:
        mark, style = MARKS[row.judgement]
        table.add_row(mark, *map(Text, _texts(row)), *([_interval(row)] if intervals else []), style=style)
    return table


def _texts(change: Change) -> tuple[str, ...]:
    figure = NAMES.get(change.figure, change.figure) + ("" if change.batch is None else f", batch {change.batch}")
    return change.cell, figure, _value(change.a), _value(change.b), _amount(change.change, change.unit)


def _value(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:,.4g}"


def _amount(value: float | None, unit: str) -> str:
    return "" if value is None else f"{100 * value:+.2f} {'pts' if unit == 'points' else '%'}"


def _interval(change: Change) -> str:
    if change.low is None or change.high is None or change.low == change.high:
        return ""
    return f"{100 * change.low:+.2f} … {100 * change.high:+.2f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(as_it_is(cell) if cell != '---' else cell for cell in cells)} |"
