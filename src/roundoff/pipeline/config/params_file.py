"""params.yaml, looked at before Hydra composes it: readable, plain, and without keys that Hydra itself acts on."""

from __future__ import annotations

from pathlib import Path

import yaml
from omegaconf import OmegaConf

from roundoff.errors import ConfigError
from roundoff.pipeline.config.plain import shortened
from roundoff.system.plain_files import read_plain

MOST_BYTES, DEEPEST = 10**6, 32
OF_HYDRA = ("hydra", "defaults")  # it would act on what they name


def check_params_file(path: Path) -> None:
    """Raise ConfigError, with the line where there is one, unless `path` holds plain YAML that can be composed."""
    text = _text(path)
    try:
        _check_events(path, text)
        loaded = OmegaConf.load(path)
    except yaml.YAMLError as error:
        raise _refusal(path, _line(text, error), _problem(error), text) from None
    except ConfigError:
        raise
    except Exception as error:  # what YAML allows and OmegaConf does not: a key of null, a half interpolation
        raise _refusal(path, None, str(error).splitlines()[0], text) from None
    if not loaded:
        raise _refusal(path, None, "nothing: the file is empty", text)
    for name in OF_HYDRA:
        if name in loaded:
            raise _refusal(path, None, f"the key {name} is Hydra's own and may not stand here", text)


def _text(path: Path) -> str:
    try:
        data = read_plain(path, MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is not here",
            received=f"no such file in {Path.cwd()}",
            expected="the file that DVC's stages read, in the checkout's own folder",
            fix="go to the checkout and run it there; if the file is missing there, too: `make params`",
        ) from None
    except OSError as error:
        raise _refusal(path, None, error.strerror or str(error), "") from None
    if len(data) > MOST_BYTES:
        raise _refusal(path, None, f"more than {MOST_BYTES} bytes", "")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _refusal(path, line, f"byte {data[error.start]:#04x} is no UTF-8", "") from None


def _check_events(path: Path, text: str) -> None:
    """One mapping, without aliases: one that contains others may stand for more values than any memory holds."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(path, line, f"the alias *{event.anchor}; only plain values may stand here", text)
        if depth == 0 and isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.MappingStartEvent):
            raise _refusal(path, line, "no section, but a list or a single value", text)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _refusal(path, line, f"more than {DEEPEST} levels", text)


def _line(text: str, error: yaml.YAMLError) -> int | None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    position = getattr(error, "position", None)  # of a character that YAML forbids
    if mark is not None:
        return int(mark.line) + 1
    return None if position is None else text[:position].count("\n") + 1


def _problem(error: yaml.YAMLError) -> str:
    parts = [getattr(error, name, None) for name in ("context", "problem", "reason")]
    return ", ".join(part for part in parts if part) or str(error).splitlines()[0]


def _refusal(path: Path, line: int | None, received: str, text: str) -> ConfigError:
    lines = text.splitlines()
    there = f" in {shortened(lines[line - 1].strip(), 80)!r}" if line and line <= len(lines) else ""
    return ConfigError(
        f"{path.name} cannot be read" if line is None else f"{path.name} cannot be read: line {line}",
        received=f"{received}{there}",
        expected="the YAML that `make params` composes from conf/: sections of plain values, in UTF-8",
        fix="run `make params`, or correct the line" if line else "run `make params`",
    )
