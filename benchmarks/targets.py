"""A benchmark with targets: measure, print as JSON, and with --check fail where a target is missed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.document import replace_block
from roundoff.system.files import write_json, write_text

Targets = Mapping[str, Callable[[dict[str, Any]], bool]]
Table = Callable[[dict[str, Any]], str]
"""Markdown of a result."""


def run(
    program: str, about: str | None, measure: Callable[[float], dict[str, Any]], targets: Targets, given: Sequence[str]
) -> int:
    """The exit code; `measure` takes the share of the work: 1 as the targets are stated for."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(f"python -m {program}", description=about, formatter_class=style)
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the work")
    parser.add_argument("--out", type=Path, help="write the JSON there instead of printing it")
    chosen = parser.parse_args(given)
    found = measure(0.05 if chosen.quick else 1.0)
    missed = [name for name, met in targets.items() if not met(found)]
    text = json.dumps({**found, "missed": missed}, indent=2, ensure_ascii=False)
    if chosen.out:
        write_text(chosen.out, text + "\n")
    else:
        print(text)
    for name in missed:
        print(f"missed: {name}", file=sys.stderr)
    return 1 if chosen.check and missed else 0


def concluded(
    chosen: argparse.Namespace, result: dict[str, Any], met: Mapping[str, bool], block: str, table: Table
) -> int:
    """Write and print a result with what it missed, put its table into `block` of a document; the exit code.

    `chosen` has `out`, `document` (None: no table) and `check`.
    """
    result["missed"] = [name for name, good in met.items() if not good]
    write_json(chosen.out, result)
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if chosen.document:
        replace_block(chosen.document, block, table(result))
    for name in result["missed"]:
        print(f"missed: {name}", file=sys.stderr)
    return 1 if chosen.check and result["missed"] else 0
