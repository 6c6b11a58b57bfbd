"""Imports inside the package go one way, from high layers to low ones."""

import ast
from pathlib import Path

import pytest

import roundoff

ROOT = Path(roundoff.__file__).parent
LAYERS = (
    ("errors",),
    ("system", "results"),
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
    ("gate", "sweep"),
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
