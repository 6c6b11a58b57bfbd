"""Settings of the last run that an experiment undoes, since `dvc exp run -S` composes params.yaml from conf/ alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from roundoff.errors import DataError, RoundoffError
from roundoff.pipeline.composing import composed
from roundoff.pipeline.groups import written
from roundoff.system.plain_files import read_plain
from roundoff.system.yaml_files import parsed_yaml

IN_EXPERIMENT = "DVC_EXP_BASELINE_REV"  # which DVC sets for an experiment's stages
PARAMS = "params.yaml"
MOST_TOLD = 8
Flat = dict[str, Any]


def warn_of_undone(root: Path) -> None:
    """In an experiment, print which settings of the last run are at conf/'s values again, and both values."""
    if IN_EXPERIMENT not in os.environ:
        return
    found = undone(root)
    if found:
        told = [f"{key}={written(now)} (was {written(before)})" for key, (before, now) in [*found.items()][:MOST_TOLD]]
        more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
        print(
            "warning: each `dvc exp run -S` starts from conf/, so what the last run had set is as in conf/ again: "
            f"{', '.join(told)}{more}. Name those that are to stay in the same command",
            flush=True,
        )


def undone(root: Path) -> dict[str, tuple[Any, Any]]:
    """By dotted key, the last run's value and today's, which is conf/'s; nothing where dvc.lock has no last run."""
    before = _last_run(root / "dvc.lock")
    if not before:
        return {}
    now = dict(_flat(_yaml(root / PARAMS), ""))
    default = dict(_flat(_composed(root / "conf"), ""))
    shared = before.keys() & now.keys() & default.keys()
    return {key: (before[key], now[key]) for key in sorted(shared) if before[key] != now[key] == default[key]}


def _composed(conf: Path) -> Any:
    """What conf/ makes by itself; empty where it is broken, which the stage says better."""
    with suppress(RoundoffError, OmegaConfBaseException):
        return OmegaConf.to_container(composed(conf, []), resolve=True)
    return {}


def _last_run(lock: Path) -> Flat:
    """The parameters that DVC recorded of all stages."""
    stages = _section(_yaml(lock), "stages").values()
    recorded = [_section(_section(stage, "params"), PARAMS) for stage in stages]
    return {key: value for section in recorded for key, value in _flat(section, "")}


def _yaml(path: Path) -> dict[str, Any]:
    """The content of a file that DVC wrote; empty where there is none that can be read."""
    try:
        content = parsed_yaml(read_plain(path), str(path), "restore it")
    except (OSError, DataError):
        return {}
    return content if isinstance(content, dict) else {}


def _section(content: Any, key: str) -> dict[str, Any]:
    found = content.get(key) if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}


def _flat(value: Any, above: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield above, value
        return
    for name, each in value.items():
        yield from _flat(each, f"{above}.{name}" if above else str(name))
