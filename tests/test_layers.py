"""Imports inside the package go one way, from high layers to low ones, and inside a layer in no circle."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import roundoff

ROOT = Path(roundoff.__file__).parent
LAYERS = (
    ("errors",),
    ("system",),
    ("results",),
    ("graph",),
    ("pipeline",),
    ("dataset", "model"),
    ("training",),
    ("calibration",),
    ("precision",),
    ("export",),
    ("backend",),
    ("cells",),
    ("profiling",),
    ("measurement",),
    ("verdict",),
    ("sensitivity", "planning"),
    ("revisions",),
    ("report",),
    ("gate", "sweep", "comparison"),
    ("shipping",),
    ("cli",),
    ("reference",),
)
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def top_level(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("roundoff"):
            parts = node.module.split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("roundoff.")}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    own = HEIGHT[top_level(path)]
    assert {name for name in imported(path) if HEIGHT[name] > own} == set()


def imported_modules(path: Path) -> Iterator[Path]:
    """The package's files that one imports, anywhere in it, for types alone, too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("roundoff"):
            place = ROOT.joinpath(*node.module.split(".")[1:])
            yield place.with_suffix(".py") if place != ROOT else ROOT / "__init__.py"
            yield from (place / f"{alias.name}.py" for alias in node.names)


def in_circles(arrows: Mapping[str, set[str]]) -> set[str]:
    """What can be reached from itself: what is left when that which imports nothing of the rest is taken away."""
    left = dict(arrows)
    while free := {name for name in left if not left[name] & left.keys()}:
        left = {name: imports for name, imports in left.items() if name not in free}
    return set(left)


def test_modules_import_each_other_in_no_circle():
    files = {path: path.relative_to(ROOT).as_posix() for path in MODULES}
    arrows = {name: {files[each] for each in imported_modules(path) if each in files} for path, name in files.items()}
    assert len(arrows["cells/engine.py"]) > 5
    assert in_circles(arrows) == set()


def test_the_document_has_each_room_once_and_low_ones_first():
    table = (Path(__file__).parents[1] / "docs/architecture.md").read_text().split("\n\n")
    rows = next(part for part in table if part.startswith("| room |")).splitlines()[2:]
    rooms = [
        name.removesuffix("/").removesuffix(".py")
        for row in rows
        for name in re.findall("`([^`]+)`", row.split("|")[1])
    ]
    inside = [name for name in rooms if name in HEIGHT]
    assert sorted(inside) == sorted(HEIGHT)
    assert [HEIGHT[name] for name in inside] == sorted(HEIGHT[name] for name in inside)


def test_a_circle_is_found():
    assert in_circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"a", "b", "c"}
