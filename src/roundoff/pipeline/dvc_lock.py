"""What of a dvc.lock that was cut off stays: what DVC takes, up to the stage in which the cut is.

It imports no DVC, since `make repro` and `roundoff run` look at the file each time.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

CONFLICT = re.compile(rb"^(?:<{7}|\|{7}|={7}|>{7})", re.MULTILINE)
HEAD = b"schema: '2.0'"
STAGES = b"\nstages:\n"
STAGE = re.compile(rb"^  [^\s#-]", re.MULTILINE)
TOP_LEVEL = re.compile(rb"^\S", re.MULTILINE)
NUMBER = r"[-+]?(?:\d[\d_]*(?:\.[\d_]*)?|\.[\d_]+)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
DATE = r"\d{4}-\d\d?-\d\d?(?:[Tt ].*)?"
# DVC reads YAML 1.2, where `no` is a word and `1e5` a number. What is not quoted, and an example of what is made of it:
PLAIN: tuple[tuple[str, object, str], ...] = (
    ("null", None, "~|null|Null|NULL|"),
    ("bool", False, "true|True|TRUE|false|False|FALSE"),
    ("int", 0, r"[-+]?(?:\d[\d_]*|0o[0-7_]+|0b[01_]+|0x[0-9a-fA-F_]+)"),
    ("other", 0.0, f"{NUMBER}|{DATE}"),
)
ENTRY: dict[str, type] = {
    **dict.fromkeys(("path", "hash", "version_id"), str),
    **dict.fromkeys(("size", "nfiles"), int),
    **dict.fromkeys(("cloud", "dataset"), dict),
    "isexec": bool,
    "files": list,
}


def _of_yaml_1_2(base: type[Any]) -> type[Any]:
    """One of PyYAML's readers for YAML 1.2: where quotes make no text of a value, an example of its kind."""
    reader: type[Any] = type("Reader", (base,), {"yaml_implicit_resolvers": {}})
    for kind, example, words in PLAIN:
        reader.add_implicit_resolver(f"!{kind}", re.compile(f"(?:{words})$"), None)
        reader.add_constructor(f"!{kind}", lambda *_, value=example: value)
    return reader


READER = _of_yaml_1_2(getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # the faster one, where there is libyaml


def sound_part(text: bytes) -> bytes | None:
    """The beginning of a lock file that was cut off, up to the last stage; empty where no stage before it is whole.

    None where nothing is to be mended: DVC takes the text, or something else than a cut is wrong with it, such as a
    merge conflict, which DVC tells better.
    """
    if CONFLICT.search(text) or _is_lock(text):
        return None
    head, marked, stages = text.partition(STAGES)
    if not marked:
        return b"" if (HEAD + STAGES).startswith(text) else None
    names = [name.start() for name in STAGE.finditer(stages)]
    if TOP_LEVEL.search(stages) or (not names and stages.strip()):
        return None
    if len(names) < 2:
        return b"" if head == HEAD else None
    begun = head + marked + stages[: names[-1]]
    return begun if _is_lock(begun) else None


def _is_lock(text: bytes) -> bool:
    """Whether DVC takes a text as its lock file."""
    try:
        lock = yaml.load(text, READER)
    except (yaml.YAMLError, RecursionError):
        return False
    if not isinstance(lock, dict) or lock.get("schema") != "2.0":
        return False
    stages = lock.get("stages", {})
    return isinstance(stages, dict) and all(_is_stage(stage) for stage in stages.values())


def _is_stage(stage: object) -> bool:
    if not isinstance(stage, dict) or not (isinstance(stage.get("cmd"), str | list) and stage["cmd"]):
        return False
    entries = [stage.get(key, []) for key in ("deps", "outs")]
    files = stage.get("params", {})
    return (
        all(isinstance(listed, list) and all(_is_entry(entry) for entry in listed) for listed in entries)
        and isinstance(files, dict)
        and all(isinstance(settings, dict) for settings in files.values())
    )


def _is_entry(entry: object) -> bool:
    """Whether that is a file or a folder as DVC lists it; what no other key says is a hash, such as `md5`."""
    if not isinstance(entry, dict) or "path" not in entry:
        return False
    return all(
        isinstance(value, ENTRY[key]) if key in ENTRY else isinstance(value, str) and len(value) > 2
        for key, value in entry.items()
    )
