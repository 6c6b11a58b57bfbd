"""`roundoff doctor`: what runs on this machine, what is missing, and the command that brings it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import which

from rich.text import Text

from roundoff.cli.terminal.console import Commands, stdout_console
from roundoff.pipeline.composing import composed, section
from roundoff.pipeline.running import home
from roundoff.results.platform import Platform
from roundoff.system.git import git

TOOLS = {
    "dvc": (
        "versions runs and skips what is up to date; without it `roundoff run` runs every stage",
        "pip install dvc",
    ),
    "tensorflow": ("train, export and LiteRT's builds need it", "pip install 'tensorflow>=2.19,<2.22'"),
}


@dataclass(frozen=True)
class Item:
    """Something that there is, or (`remedy`) that is missing."""

    name: str
    state: str
    remedy: str | None = None
    is_backend: bool = False


def add(commands: Commands) -> None:
    """The command `doctor`."""
    parser = commands.add_parser(
        "doctor",
        help="what runs on this machine, and what is missing",
        description="Lists this machine, its programs and the backends. Exit code 1 where no backend runs.",
    )
    parser.add_argument(
        "--id", action="store_true", help="only print the id of this machine's fingerprint, to name an experiment by"
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print the list, or the id."""
    if given.id:
        print(_fingerprint().id)
        return 0
    items = [*_machine(), *_programs(), *_backends()]
    width = max(len(item.name) for item in items)
    console = stdout_console()
    for item in items:
        mark = ("✓", "green") if item.remedy is None else ("✗", "yellow")
        console.print(Text.assemble(mark, f" {item.name:<{width}}  {item.state}"))
        if item.remedy is not None:
            console.print(Text(f"  {'':<{width}}  → {item.remedy}"))
    return 0 if any(item.is_backend and item.remedy is None for item in items) else 1


def _fingerprint() -> Platform:
    from roundoff.backend.fingerprint import fingerprint

    return fingerprint()


def _machine() -> Iterator[Item]:
    machine = _fingerprint()
    yield Item("system", f"{machine.system}, Python {machine.python}")
    yield Item("CPU", f"{machine.cpu.model}, {machine.cpu.cores} cores, {machine.memory_gb} GB of memory")
    for gpu in machine.gpus:
        yield Item("GPU", f"{gpu.name} (SM {gpu.sm}), driver {machine.driver}, CUDA {machine.cuda}")
    if not machine.gpus:
        yield Item(
            "GPU", "none that NVIDIA's driver shows", "for TensorRT: a machine with an NVIDIA GPU and its driver"
        )


def _programs() -> Iterator[Item]:
    if which("git"):
        yield Item("git", git(Path(), "--version").stdout.strip().removeprefix("git version "))
    else:
        yield Item("git", "not installed", "install git, which DVC needs")
    for name, (purpose, remedy) in TOOLS.items():
        version = installed(name)
        yield Item(name, version) if version else Item(name, f"not installed: {purpose}", remedy)


def _backends() -> Iterator[Item]:
    """Every backend of conf/, whether it is configured or not."""
    from roundoff.backend.base import Backend
    from roundoff.pipeline.config import components

    conf = home(Path()) / "conf"
    names = [path.stem for path in sorted((conf / "backend").glob("*.yaml"))]
    cfg = composed(conf, [f"backend=[{','.join(names)}]"])
    for name, backend in components(section(cfg, "backends"), Backend).items():
        lack = backend.lack()
        if lack is None:
            yield Item(name, "runs here", is_backend=True)
        else:
            yield Item(name, f"does not run here: {lack.what}", lack.remedy, is_backend=True)


def installed(name: str) -> str | None:
    """The version of a distribution; None where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
