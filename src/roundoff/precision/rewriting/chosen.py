"""What a precision leaves wide: names in its configuration, or the file of a choice that was made for the graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from roundoff.errors import BuildError
from roundoff.precision.rewriting.kept import BEST_CHOSEN, CHOSEN, note_kept
from roundoff.results.mixed import Mixed, read_mixed

if TYPE_CHECKING:
    import onnx


def names_left_wide(exclude: Sequence[str] | str, model: onnx.ModelProto) -> list[str]:
    """The names themselves, or those in the file `exclude`; raises BuildError for a choice of another graph."""
    return _choice(exclude, model).nodes if isinstance(exclude, str) else list(exclude)


def note_chosen(converted: onnx.ModelProto, exclude: Sequence[str] | str, model: onnx.ModelProto) -> None:
    """Let the converted graph tell what was chosen to be left wide; names of the configuration need no telling."""
    if isinstance(exclude, str):
        choice = _choice(exclude, model)
        note_kept(converted, CHOSEN if choice.passes else BEST_CHOSEN, choice.nodes)


def _choice(path: str, model: onnx.ModelProto) -> Mixed:
    from roundoff.graph.queries import model_hash

    if not Path(path).exists():
        raise BuildError(
            "what is left wide has not been chosen",
            received=f"no file {path}",
            expected="the choice that the stage mix writes",
            fix="run it first: `dvc repro`, or `roundoff run mix`",
        )
    choice = read_mixed(Path(path))
    if choice.graph_sha256 != model_hash(model):
        raise BuildError(
            "what is left wide was chosen for another graph",
            received=f"{path}, of graph {choice.graph_sha256}",
            expected=f"a choice for graph {model_hash(model)}",
            fix="run the stage mix again: `dvc repro -f mix`",
        )
    return choice
