"""`roundoff diff`: two revisions side by side."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from roundoff.cli.console import Commands, add_place, stdout_console
from roundoff.results.checked import as_json
from roundoff.revisions.diff import SESSION_DRIFT, Change, compare, differing_contexts, differing_parts
from roundoff.revisions.revision import Snapshot, snapshot
from roundoff.revisions.revision_context import RevisionContext, revision_context

MARKS = {
    "better": ("+", "green"),
    "worse": ("-", "bold red"),
    "within noise": ("~", "dim"),
    "unchanged": ("=", "dim"),
    "noise unknown": ("?", "dim"),
    "other machine": ("!", "yellow"),
    "not comparable": ("!", "yellow"),
}


def add(commands: Commands) -> None:
    """The command `diff`."""
    parser = commands.add_parser(
        "diff",
        help="metrics of two revisions side by side",
        description="Compare metrics of two git revisions or DVC experiments; what lies within the noise is grey.",
    )
    parser.add_argument("a", metavar="A", help="a git revision or the name of a DVC experiment")
    parser.add_argument("b", metavar="B", nargs="?", help="another one; the workspace if left out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--all", action="store_true", help="show what is unchanged, too")
    parser.add_argument(
        "--drift",
        type=_share,
        default=SESSION_DRIFT,
        metavar="SHARE",
        help="change of an absolute time that means nothing between two sessions (default: %(default)s)",
    )
    add_place(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Compare and print; exit code 0."""
    a = snapshot(given.project, given.metrics, given.a)
    b = snapshot(given.project, given.metrics, given.b)
    contexts = (revision_context(given.project, given.metrics, a), revision_context(given.project, given.metrics, b))
    changes = compare(a, b, given.drift, contexts)
    if given.json:
        print(json.dumps(_as_json(a, b, contexts, changes), indent=2, ensure_ascii=False))
    else:
        _show(a, b, contexts, changes, given.all)
    return 0


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share of 0 or more and less than 1")
    return value


def _as_json(
    a: Snapshot, b: Snapshot, contexts: tuple[RevisionContext, RevisionContext], changes: Sequence[Change]
) -> dict[str, object]:
    sides = {
        name: {
            "revision": side.revision,
            "commit": side.commit,
            "platform": as_json(side.metrics.platform),
            "target": as_json(on.target),
            "test_set": on.test_set or on.prepared,
        }
        for name, side, on in (("a", a, contexts[0]), ("b", b, contexts[1]))
    }
    apart = sorted(differing_contexts(a, b, contexts))
    return {
        **sides,
        "same_machine": a.machine == b.machine,
        "differing": apart,
        "changes": [asdict(change) for change in changes],
    }


def _show(
    a: Snapshot,
    b: Snapshot,
    contexts: tuple[RevisionContext, RevisionContext],
    changes: Sequence[Change],
    everything: bool,
) -> None:
    console = stdout_console()
    _show_machines(console, a, b)
    _show_contexts(console, a, b, contexts)
    shown = [change for change in changes if everything or change.judgement != "unchanged"]
    if not shown:
        console.print("no figure differs")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "cell", "figure"):
        table.add_column(name, no_wrap=bool(name != "figure"))
    for name in (a.revision, b.revision, "change", "95 % interval"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("")
    for change in shown:
        mark, style = MARKS[change.judgement]
        table.add_row(mark, *map(Text, _texts(change)), change.judgement, style=style)
    console.print(table)


def _show_machines(console: Console, a: Snapshot, b: Snapshot) -> None:
    if a.machine == b.machine:
        console.print(Text(f"both measured on {a.machine}"))
        return
    console.print(Text("measured on different machines: no difference is called better or worse", style="bold yellow"))
    console.print(Text(f"  fingerprint: {a.machine} → {b.machine}"))
    for name, (left, right) in differing_parts(as_json(a.metrics.platform), as_json(b.metrics.platform)).items():
        console.print(Text(f"  {name}: {left} → {right}"))


def _show_contexts(
    console: Console, a: Snapshot, b: Snapshot, contexts: tuple[RevisionContext, RevisionContext]
) -> None:
    apart = differing_contexts(a, b, contexts)
    if "target" in apart:
        console.print(Text("judged by different targets: no verdict is compared", style="bold yellow"))
        for name, (left, right) in differing_parts(*(as_json(side.target) or {} for side in contexts)).items():
            console.print(Text(f"  {name}: {left} → {right}"))
    if "test set" in apart:
        console.print(Text("tested on different images: no verdict or accuracy is compared", style="bold yellow"))
    if "reference" in apart:
        console.print(Text("compared with different references: no verdict is compared", style="bold yellow"))
        console.print(Text(f"  reference: {contexts[0].reference} → {contexts[1].reference}"))
    if "chance margin" in apart:
        console.print(Text("judged by different margins above chance: no verdict is compared", style="bold yellow"))
        console.print(Text(f"  chance_margin: {contexts[0].chance_margin} → {contexts[1].chance_margin}"))


def _texts(change: Change) -> tuple[str, ...]:
    return (
        change.cell,
        change.figure,
        _value(change.a),
        _value(change.b),
        _amount(change.change, change.unit),
        _interval(change),
    )


def _value(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:,.4g}"


def _amount(value: float | None, unit: str) -> str:
    return "" if value is None else f"{100 * value:+.2f} {'points' if unit == 'points' else '%'}"


def _interval(change: Change) -> str:
    if change.low is None or change.high is None or change.low == change.high:
        return ""
    return f"{100 * change.low:+.2f} … {100 * change.high:+.2f}"
