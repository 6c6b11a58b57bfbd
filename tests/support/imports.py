"""What a file of the project imports, directly and through others, read from the source alone."""

import ast
from functools import cache

from tests.support.places import ROOT

SOURCE = ROOT / "src"


def closure(starts, left_out=()):
    """The starts, and the files under src/ that they import at any depth, inside of functions, too.

    What is imported for a type checker alone is not. The packages above a module are imported with it. What is
    `left_out` is neither in it nor looked into.
    """
    found, ahead = set(), list(starts)
    while ahead:
        path = ahead.pop()
        if path not in found and path not in left_out:
            found.add(path)
            ahead += [each for name in imported_names(path) for each in files_of(name)]
    return found


@cache
def files_of(name):
    """The file of a dotted name, and of each package above it; none for what is not the project's."""
    parts = name.split(".")
    places = [SOURCE.joinpath(*parts[:length]) for length in range(1, len(parts) + 1)]
    files = [each for place in places for each in (place / "__init__.py", place.with_suffix(".py"))]
    return [each for each in files if each.is_file()]


@cache
def imported_names(path):
    """Dotted names that may be modules: for `from a import b` both a and a.b."""
    names = set()
    for node in executed(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names | {told for told in called_names(path) if told})


def called_names(path):
    """What import_module and __import__ are given: a dotted name, or None where only a run tells it."""
    for node in executed(parsed(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
            told = node.args[0] if node.args else None
            yield told.value if isinstance(told, ast.Constant) else None


def only_names_others(path):
    """Whether a package's own file has nothing but imports, `__all__` and a docstring."""
    return path.name == "__init__.py" and not any(
        not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) and "__all__" not in ast.unparse(node)
        for node in parsed(path).body
    )


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def executed(node):
    """The nodes below `node`, but for those that only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from executed(child)
