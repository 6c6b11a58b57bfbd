"""Progress bars on standard error: shown on a terminal, silent elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Bar(Protocol):
    """One running progress bar."""

    def advance(self, steps: float = 1, note: str = "") -> None: ...


class Silent:
    """A bar that nobody sees."""

    def advance(self, steps: float = 1, note: str = "") -> None:
        pass


@contextmanager
def progress_bar(description: str, total: float | None) -> Iterator[Bar]:
    """A bar over `total` steps (None: unknown); `advance(steps, note)` moves it."""
    if not sys.stderr.isatty():
        yield Silent()
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[note]}"),
    )
    with rich.Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, note="")

        class _Bar:
            def advance(self, steps: float = 1, note: str = "") -> None:
                progress.advance(task, steps)
                if note:
                    progress.update(task, note=note)

        yield _Bar()


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` under a bar; `total` defaults to their length where they have one."""
    length = len(items) if total is None and isinstance(items, Sized) else total
    with progress_bar(description, length) as bar:
        for item in items:
            yield item
            bar.advance()
