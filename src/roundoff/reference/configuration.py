"""The page of all keys of the configuration, from conf/ and the dataclasses that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from roundoff.reference.option_file import Key, OptionFile, read_option

OPENING = """\
# Configuration

Every key of `conf/`: its type, its default, its meaning. `python -m roundoff.reference docs` makes this page of the
files in `conf/` and the dataclasses that they name.

- `GROUP=NAME` chooses a file of a group, `KEY=VALUE` sets a key: `roundoff run model=resnet20 train.epochs=3`, which is
  `dvc exp run -S model=resnet20 -S train.epochs=3`.
- `${seed}` as a default is the value of the key `seed`. A key that is *required* has no default.
- Names in brackets are the files that have a key, a default or a meaning, where they differ.
- Types are checked before any work begins.
"""
SECTIONS = "## The rest of the configuration\n\nThese keys are in `conf/config.yaml` itself."


def configuration_page(conf: Path) -> str:
    """The page as Markdown: a table for each group of conf/, and one for config.yaml's own keys."""
    main = yaml.safe_load((conf / "config.yaml").read_text(encoding="utf-8"))
    chosen = {group: name for each in main["defaults"] if isinstance(each, dict) for group, name in each.items()}
    parts = [OPENING.rstrip()]
    for group, default in chosen.items():
        options = [read_option(path, group) for path in sorted((conf / group).glob("*.yaml"))]
        parts.append(_group(group, options, default))
    own = read_option(conf / "config.yaml", "")
    parts += [SECTIONS, _table("", [own])]
    return "\n\n".join(parts) + "\n"


def _group(name: str, options: Sequence[OptionFile], default: object) -> str:
    """A group's heading, its files and its keys; an experiment sets keys of others and has none of its own."""
    defaults = default if isinstance(default, list) else [default]
    parts = [f"## {name}", "\n".join(_option(name, each, each.name in defaults) for each in options)]
    if name == "experiment":
        return "\n\n".join(parts)
    if all(each.place == name for each in options):
        return "\n\n".join([*parts, _table(f"{name}.", options)])
    place = f"PLACE is what stands behind the name above, such as `{options[0].place}`."
    return "\n\n".join([*parts, place, _table("PLACE.", options)])


def _option(group: str, option: OptionFile, is_default: bool) -> str:
    there = f" at `{option.place}`" if option.place not in (group, "_global_") else ""
    mark = " (default)" if is_default else ""
    return f"- `{option.name}`{there}{mark}: {option.purpose}"


def _table(prefix: str, options: Sequence[OptionFile]) -> str:
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name in dict.fromkeys(key.name for option in options for key in option.keys):
        having = {option.name: key for option in options for key in option.keys if key.name == name}
        only = f" ({', '.join(having)})" if len(having) < len(options) else ""
        lines.append(f"| `{prefix}{name}`{only} | {' | '.join(_cells(having))} |")
    return "\n".join(lines)


def _cells(having: Mapping[str, Key]) -> tuple[str, str, str]:
    """Type, default and meaning of a key; one that a file does not explain means what it means in the others."""
    told = {name: key.meaning for name, key in having.items() if key.meaning}
    kinds, defaults = ({name: getattr(key, part) for name, key in having.items()} for part in ("kind", "default"))
    return _joined(kinds, ", "), _joined(defaults, ", "), _joined(told, "; ")


def _joined(values: Mapping[str, str], between: str) -> str:
    """The one value, or each of several with the files that have it."""
    names: dict[str, list[str]] = {}
    for name, value in values.items():
        names.setdefault(value, []).append(name)
    if len(names) < 2:
        return "".join(names)
    return between.join(f"{value} ({', '.join(those)})" for value, those in names.items())
