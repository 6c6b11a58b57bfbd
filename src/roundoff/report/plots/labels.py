"""Labels beside the points of a plot, each where it lies on nothing else if there is such a place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 8.5  # points, as are all lengths here
STEP, ASIDE, MARK = 12.0, 11.0, 6.0
STEPS = 9  # that a label may lie above or below its point
LEFT_COST, BAR_WEIGHT = 4.0, 0.5


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    def outside(self, frame: Box) -> float:
        """How far it reaches out of the frame."""
        across = max(frame.left - self.left, 0.0) + max(self.right - frame.right, 0.0)
        return across + max(frame.bottom - self.bottom, 0.0) + max(self.top - frame.top, 0.0)


def place_labels(
    figure: Figure, axes: Any, points: Sequence[tuple[float, float, str]], bars: Sequence[tuple[float, float]]
) -> None:
    """Write the text of each (x, y, text) beside its point, whose bar reaches from `bars`' one end to the other."""
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    shown = [axes.transData.transform((x, y)) * scale for x, y, _ in points]
    ends = [
        axes.transData.transform([(x, low), (x, high)])[:, 1] * scale
        for (x, _, _), (low, high) in zip(points, bars, strict=True)
    ]
    corners = axes.transAxes.transform([(0, 0), (1, 1)]) * scale
    frame = Box(*map(float, corners.ravel()))
    marks = [Box(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in shown]
    lines = [Box(x - 1, low, x + 1, high) for (x, _), (low, high) in zip(shown, ends, strict=True)]
    offsets = chosen_offsets(
        [(float(x), float(y)) for x, y in shown], [text for _, _, text in points], marks, lines, frame
    )
    for (x, y, text), (aside, up) in zip(points, offsets, strict=True):
        _write(axes, (x, y), text, aside, up)


def _write(axes: Any, at: tuple[float, float], text: str, aside: float, up: float) -> None:
    from matplotlib.patheffects import withStroke

    line = (
        {"arrowstyle": "-", "color": "#777777", "linewidth": 0.6, "shrinkB": 5, "shrinkA": 1}
        if abs(up) > STEP
        else None
    )
    style = {"ha": "left" if aside > 0 else "right", "va": "center", "fontsize": SIZE, "arrowprops": line}
    halo = [withStroke(linewidth=2.5, foreground="white")]
    axes.annotate(text, at, xytext=(aside, up), textcoords="offset points", path_effects=halo, **style)


def chosen_offsets(
    places: Sequence[tuple[float, float]], texts: Sequence[str], marks: Sequence[Box], lines: Sequence[Box], frame: Box
) -> list[tuple[float, float]]:
    """Where each label lies from its point: of the places around it the nearest one that covers the least."""
    written: list[Box] = []
    offsets = []
    for place, text in zip(places, texts, strict=True):
        costs = []
        for offset in _around():
            box = _box(place, offset, text)
            covered = sum(box.overlap(other) for other in (*marks, *written))
            covered += BAR_WEIGHT * sum(box.overlap(line) for line in lines) + 100 * box.outside(frame)
            costs.append((covered, abs(offset[1]) + LEFT_COST * (offset[0] < 0), offset, box))
        _, _, offset, box = min(costs, key=lambda cost: cost[0] + cost[1] / 4)
        written.append(box)
        offsets.append(offset)
    return offsets


def _around() -> Iterator[tuple[float, float]]:
    for step in range(STEPS):
        for up in {step * STEP, -step * STEP}:
            yield from ((ASIDE, up), (-ASIDE, up))


def _box(place: tuple[float, float], offset: tuple[float, float], text: str) -> Box:
    width = SIZE * sum(1.0 if east_asian_width(letter) in "WF" else 0.56 for letter in text)
    x, y = place[0] + offset[0], place[1] + offset[1]
    left = x if offset[0] > 0 else x - width
    return Box(left, y - SIZE / 2 - 1, left + width, y + SIZE / 2 + 1)
