"""A folder's programs by name: `python -m benchmarks.FOLDER COMMAND …`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(package: str, commands: Mapping[str, str], arguments: Sequence[str]) -> int:
    """The exit code of `main` in the module that the first argument names; the other arguments are its own.

    `commands` says what each is for. Only the named module is imported: others may need what is not installed.
    """
    program = f"python -m {package}"
    if arguments[:1] in (["-h"], ["--help"]):
        print(_usage(program, commands))
        return 0
    if not arguments or arguments[0] not in commands:
        given = f"no command {arguments[0]}" if arguments else "no command given"
        print(f"error: {given}\n{_usage(program, commands)}", file=sys.stderr)
        return 2
    sys.argv[0] = f"{program} {arguments[0]}"  # what the module's own usage shows
    try:
        module = import_module(f"{package}.{arguments[0]}")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in ("benchmarks", "roundoff"):
            raise
        print(f"error: {program} {arguments[0]} needs {error.name}, which is not installed", file=sys.stderr)
        return 1
    code: int = module.main(arguments[1:])
    return code


def environment(**more: str) -> dict[str, str]:
    """For a process that runs a module of benchmarks, from whatever folder."""
    paths = [str(ROOT), str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | more


def _usage(program: str, commands: Mapping[str, str]) -> str:
    lines = [f"  {name:<{max(map(len, commands))}}  {purpose}" for name, purpose in commands.items()]
    return "\n".join([f"usage: {program} COMMAND [--help] …", *lines])
