"""A benchmark with targets: measure, print as JSON, and with --check fail where a target is missed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from roundoff.system.files import write_text

Targets = Mapping[str, Callable[[dict[str, Any]], bool]]


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
