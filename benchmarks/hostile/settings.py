"""Settings, as overrides on a command line and in a params.yaml that was edited by hand, through the whole check."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from numpy.random import Generator

from benchmarks.commands import ROOT
from benchmarks.hostile.case import Case, Lost, never
from benchmarks.hostile.settings_lists import BAD_FILES, BAD_OVERRIDES, GOOD_OVERRIDES
from roundoff.errors import RoundoffError

Key = tuple[str, ...]
OF_TYPE: dict[type, tuple[Any, ...]] = {
    bool: ("text", 7, [], {"a": 1}, None),
    int: ("text", [], {"a": 1}, float("nan"), float("inf"), 1.5, -(10**30), 10**30, None),
    float: ("text", [], {"a": 1}, float("nan"), float("inf"), -1e300, None),
    str: (5, [], {"a": 1}, True, None, 2.5),
    list: ("text", {"a": 1}, 5, [{"a": 1}], [[1]]),
    type(None): ({"a": 1}, [[1]], {"_target_": "os.system"}),
}
TARGETS = ("os.system", "nowhere.Class", "roundoff.errors.ConfigError", "builtins.dict", "", 5, ["a"])
UNSET = ("build.precision", "build.more")


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """Each setting with values of other kinds, both ways; then whole command lines and files."""
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    for key, value in _leaves(params):
        name = ".".join(key)
        if name in UNSET:
            continue
        wrong = TARGETS if key[-1] == "_target_" else OF_TYPE[type(value)]
        chosen = [wrong[int(number)] for number in random.permutation(len(wrong))[:3]]
        for value_of, one in zip((_overridden, _edited, _edited), chosen, strict=False):
            yield Case(name, f"{value_of.__name__[1:]}: {one!r}"[:80], partial(value_of, params, key, one), never)
    for words in GOOD_OVERRIDES:
        yield Case("a command line", " ".join(words), partial(_good, words), bool)
    for words in BAD_OVERRIDES:
        yield Case("a command line", " ".join(words)[:80], partial(_composed, words), never)
    good = (project / "params.yaml").read_text(encoding="utf-8")
    for how, change in BAD_FILES.items():
        yield Case("params.yaml", how, partial(_file, change(good)), never)


def _leaves(value: Any, at: Key = ()) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(each, (*at, name))
    elif not isinstance(value, dict):
        yield at, value


def _composed(words: Sequence[str], folder: Path) -> bool:
    from roundoff.pipeline.composing import composed
    from roundoff.pipeline.config import check

    os.chdir(folder)
    check(composed(ROOT / "conf", words))
    return True


def _good(words: Sequence[str], folder: Path) -> bool:
    """What has to be accepted."""
    try:
        return _composed(words, folder)
    except RoundoffError as error:
        raise Lost(f"refused: {error}") from error


def _overridden(_: Any, key: Key, value: Any, folder: Path) -> bool:
    """`KEY=VALUE`, as Hydra's grammar writes it; those of the small run are set with it."""
    from benchmarks.hostile.project import SETTINGS

    return _composed([*SETTINGS, f"++{'.'.join(key)}={_written(value)}"], folder)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}: {_written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return {None: "null", True: "true", "": "''"}.get(value, str(value)) if not isinstance(value, int) else str(value)


def _edited(params: Any, key: Key, value: Any, folder: Path) -> bool:
    edited = yaml.safe_load(yaml.safe_dump(params))
    owner = edited
    for name in key[:-1]:
        owner = owner[name]
    owner[key[-1]] = value
    return _file(yaml.safe_dump(edited, allow_unicode=True).encode(), folder)


def _file(content: bytes, folder: Path) -> bool:
    """A params.yaml, checked as a stage does it before Hydra and after."""
    from omegaconf import DictConfig, OmegaConf

    from roundoff.pipeline.config import check
    from roundoff.pipeline.config.params_file import check_params_file

    os.chdir(folder)
    path = folder / "params.yaml"
    path.write_bytes(content)
    check_params_file(path)
    check(DictConfig(OmegaConf.load(path)))
    return True
