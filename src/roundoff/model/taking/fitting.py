"""Whether a foreign model's images are the dataset's, and the setting that helps where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from roundoff.errors import ConfigError, DataError
from roundoff.model.taking.settings import setting

Sizes = Sequence[int | None]


def require_images(path: Path | str, sizes: Sizes, shape: tuple[int, int, int]) -> None:
    """DataError unless a model of images `sizes`, H × W × C, None where any will do, takes images [*shape]."""
    wrong = [number for number in range(3) if sizes[number] not in (None, shape[number])]
    if not wrong:
        return
    raise DataError(
        f"{path} is made for other images than the dataset's",
        received=f"a model of images {words(sizes)}",
        expected=f"{words(shape)} (height × width × channels), as prepared",
        fix=_fix(sizes, shape, wrong),
    )


def _fix(sizes: Sizes, shape: tuple[int, int, int], wrong: Sequence[int]) -> str:
    settings = []
    if 0 in wrong or 1 in wrong:
        height, width = (sizes[number] or shape[number] for number in (0, 1))
        settings.append(f"dataset.size={height if height == width else f'[{height},{width}]'}")
    if 2 in wrong and sizes[2] in (1, 3):
        settings.append(f"dataset.channels={sizes[2]}")
    elif 2 in wrong:
        return f"give a model of images with 1 or 3 channels: {sizes[2]} are none that a picture has"
    return f"set {' '.join(settings)}, so that images are prepared as the model wants them"


def chosen_output(path: Path, outputs: Sequence[str], name: str | None) -> str:
    """The output that `name` says, or the only one; ConfigError where that leaves a choice."""
    wanted = [each for each in outputs if name in (None, each)]
    if len(wanted) == 1:
        return wanted[0]
    raise ConfigError(
        f"{path} has several outputs" if name is None else f"{path} has no output {name}",
        received=f"outputs {', '.join(outputs)}",
        expected="the one with a number for each class",
        fix=f"set {setting('output')}={outputs[0] if len(outputs) == 1 else 'NAME'}",
    )


def words(sizes: Sizes) -> str:
    """Sizes as text."""
    return " × ".join("any" if size is None else str(size) for size in sizes)
