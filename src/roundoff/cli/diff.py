"""`roundoff diff`: two revisions side by side."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from roundoff.cli.terminal.changes import Comparison, markdown, show
from roundoff.cli.terminal.console import Commands, add_place, stdout_console
from roundoff.results.checked import as_json
from roundoff.revisions.diff import compare, differing_contexts
from roundoff.revisions.revision import snapshot
from roundoff.revisions.revision_context import revision_context
from roundoff.verdict.ranking import SESSION_DRIFT


def add(commands: Commands) -> None:
    """The command `diff`."""
    parser = commands.add_parser(
        "diff",
        help="what got better or worse between two revisions",
        description="Compare metrics of two git revisions or DVC experiments: first what ships and how much is proven, "
        "then the figures that are proven to differ, worst first.",
    )
    parser.add_argument("a", metavar="A", help="a git revision or the name of a DVC experiment")
    parser.add_argument("b", metavar="B", nargs="?", help="another one; the workspace if left out")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print every figure as JSON")
    form.add_argument("--md", action="store_true", help="print Markdown, for a comment")
    parser.add_argument(
        "--all", action="store_true", help="show every figure: within noise, not judged, unchanged, too"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 where a figure is proven worse")
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
    """Compare and print; the exit code."""
    a = snapshot(given.project, given.metrics, given.a)
    b = snapshot(given.project, given.metrics, given.b)
    contexts = (revision_context(given.project, given.metrics, a), revision_context(given.project, given.metrics, b))
    comparison = Comparison(a, b, contexts, compare(a, b, given.drift, contexts))
    if given.json:
        print(json.dumps(_as_json(comparison), indent=2, ensure_ascii=False))
    elif given.md:
        print(markdown(comparison, given.all), end="")
    else:
        show(comparison, given.all, stdout_console())
    return int(given.exit_code and comparison.counts["proven worse"] > 0)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share of 0 or more and less than 1")
    return value


def _as_json(comparison: Comparison) -> dict[str, object]:
    sides = zip("ab", (comparison.a, comparison.b), comparison.contexts, comparison.ships, strict=True)
    return {
        **{
            name: {
                "revision": side.revision,
                "commit": side.commit,
                "ships": ships,
                "platform": as_json(side.metrics.platform),
                "target": as_json(on.target),
                "test_set": on.test_set or on.prepared,
            }
            for name, side, on, ships in sides
        },
        "same_machine": comparison.a.machine == comparison.b.machine,
        "differing": sorted(differing_contexts(comparison.a, comparison.b, comparison.contexts)),
        "counts": comparison.counts,
        "changes": [{**asdict(change), "figure": change.title} for change in comparison.changes],
    }
