"""A YAML of conf/ with its comments: what it is for, and for each of its keys a value and a meaning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from omegaconf import OmegaConf

from roundoff.pipeline.config.plain import MISSING
from roundoff.pipeline.groups import written

PACKAGE = "# @package "
WORDS: dict[Any, str] = {
    **{str: "text", int: "integer", float: "number", bool: "true or false", list: "list", dict: "section"},
    **{NoneType: "null", Any: "number, text or list"},
}
NO_KEYS = ("_target_", "defaults")


@dataclass(frozen=True)
class Key:
    """A key of the configuration, as its file has it; `meaning` is empty where no comment tells it."""

    name: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True)
class OptionFile:
    """A file of conf/: where its keys stand (`place`), what it is for, and its keys, those of sections dotted."""

    name: str
    place: str
    purpose: str
    keys: tuple[Key, ...]


def read_option(path: Path, place: str) -> OptionFile:
    """Read a file whose keys stand at `place`, unless its first line says where."""
    lines = path.read_text(encoding="utf-8").splitlines()
    node = yaml.compose("\n".join(lines), Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    if lines[0].startswith(PACKAGE):
        place = lines[0].removeprefix(PACKAGE)
        lines[0] = ""
    target = OmegaConf.select(OmegaConf.load(path), "_target_")
    purpose = _above(lines, node.value[0][0].start_mark.line) or _purpose(target)
    return OptionFile(path.stem, place, purpose, tuple(_keys(lines, node, "", target)))


def _keys(lines: list[str], section: yaml.MappingNode, above: str, target: str | None) -> list[Key]:
    """The keys of a section. A comment on a line of its own holds for the keys below it that have none behind them."""
    keys: list[Key] = []
    shared = ""
    hints = get_type_hints(resolve_name(target)) if target else {}
    for key_node, value in section.value:
        name, line = key_node.value, key_node.start_mark.line
        if name in NO_KEYS:
            continue
        if isinstance(value, yaml.MappingNode) and value.value:
            keys += _keys(lines, value, f"{above}{name}.", _target(value))
            continue
        shared = _above(lines, line) or shared
        kind = _kind(hints[name]) if name in hints else _kind_of_value(value)
        keys.append(Key(above + name, kind, _default(value), _behind(lines[line]) or shared))
    return keys


def _target(section: yaml.MappingNode) -> str | None:
    return next((value.value for key, value in section.value if key.value == "_target_"), None)


def _above(lines: list[str], line: int) -> str:
    """The comment on the lines directly above."""
    words: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        words.insert(0, lines[line].strip().lstrip("# "))
    return " ".join(words)


def _behind(line: str) -> str:
    return line.partition(" # ")[2].strip()


def _kind(hint: Any) -> str:
    """A type in the words of docs/metrics.md."""
    inner = [each for each in get_args(hint) if each is not ...]
    if get_origin(hint) in (list, tuple):
        return f"list of {_kind(inner[0])}"
    return WORDS[hint] if hint in WORDS else " or ".join(map(_kind, inner))


def _kind_of_value(value: yaml.Node) -> str:
    return _kind(type(_plain(value)))


def _default(value: yaml.Node) -> str:
    default = _plain(value)
    return "*required*" if default == MISSING else f"`{written(default)}`"


def _plain(value: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(value))


def _purpose(target: str | None) -> str:
    """The first sentence of a class's docstring."""
    text = (resolve_name(target).__doc__ or "") if target else ""
    return " ".join(text.split("\n\n")[0].split())
