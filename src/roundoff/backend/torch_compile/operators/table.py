"""The table of ONNX operators that have a PyTorch version, which the modules beside this one fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Operator:
    """A PyTorch version of an ONNX operator: its inputs in order, its attributes as keywords.

    Inputs in the places `static` are constants, and come as lists of Python's numbers. Other constants of one element
    come as a number where `numbers` says so, else as tensors. `outputs` says that it returns several. `refuses` says
    of the attributes what it cannot do.
    """

    run: Callable[..., Any]
    static: tuple[int, ...] = ()
    numbers: bool = False
    outputs: bool = False
    refuses: Callable[..., str | None] | None = None


TABLE: dict[str, Operator] = {}


def operator(
    *names: str,
    static: tuple[int, ...] = (),
    numbers: bool = False,
    outputs: bool = False,
    refuses: Callable[..., str | None] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a function into the table under ONNX's names."""

    def enter(run: Callable[..., Any]) -> Callable[..., Any]:
        TABLE.update(dict.fromkeys(names, Operator(run, static, numbers, outputs, refuses)))
        return run

    return enter
