"""Labels beside the points of a plot, each where it lies on nothing else and next to no other point, if it can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import hypot
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from roundoff.report.plots.style import SMALL

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

SIZE = SMALL  # points, as are all lengths here
LINE = 1.25 * SIZE
STEP, ASIDE, FARTHER, MARK = 6.0, 11.0, 32.0, 6.0
STEPS = 20  # that a label may lie above or below its point
NEAR = 8.0  # points of a plot that are closer than this have one label
LEFT_COST, BAR_WEIGHT = 4.0, 0.7
OUTSIDE_WEIGHT, CROSSING_COST, NEARER_COST = 100.0, 200.0, 40.0
ROUNDS = 6  # in which each label is placed anew


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

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        return self.left <= x <= self.right and self.bottom <= y <= self.top

    def distance(self, x: float, y: float) -> float:
        """From a point to its nearest edge; 0 inside."""
        return hypot(max(self.left - x, 0.0, x - self.right), max(self.bottom - y, 0.0, y - self.top))


@dataclass(frozen=True)
class Point:
    """What a label belongs to, in the axes' units: its place, the ends of its bars, and the text, a line or more."""

    x: float
    y: float
    text: str
    x_ends: tuple[float, float]
    y_ends: tuple[float, float]


def place_labels(figure: Figure, axes: Any, points: Sequence[Point], taken: Sequence[Artist] = ()) -> None:
    """Write the text of each point beside it, off bars and off the texts in `taken`; one for points at one place."""
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    groups = _grouped(points, [tuple(axes.transData.transform((one.x, one.y)) * scale) for one in points])
    places = [tuple(map(float, axes.transData.transform((one.x, one.y)) * scale)) for one in groups]
    frame = Box(*(float(at) * scale for at in axes.transAxes.transform([(0, 0), (1, 1)]).ravel()))
    marks = [Box(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in places]
    lines = [line for one in points for line in _bars(axes, one, scale)]
    lines += [_extent(one, scale) for one in taken]
    offsets = chosen_offsets([(x, y) for x, y in places], [one.text for one in groups], marks, lines, frame)
    for one, (aside, up) in zip(groups, offsets, strict=True):
        _write(axes, one, aside, up)


def _grouped(points: Sequence[Point], places: Sequence[tuple[float, float]]) -> list[Point]:
    """Points that lie on each other as one, its text a line for each."""
    groups: dict[tuple[float, float], list[Point]] = {}
    for point, (x, y) in zip(points, places, strict=True):
        near = next((at for at in groups if hypot(at[0] - x, at[1] - y) < NEAR), (x, y))
        groups.setdefault(near, []).append(point)
    return [
        Point(first.x, first.y, "\n".join(one.text for one in group), first.x_ends, first.y_ends)
        for group in groups.values()
        for first in group[:1]
    ]


def _bars(axes: Any, point: Point, scale: float) -> list[Box]:
    """The interval's bars, each as thick as a line with room around it."""
    ends = axes.transData.transform([(point.x_ends[0], point.y_ends[0]), (point.x_ends[1], point.y_ends[1])]) * scale
    (left, bottom), (right, top) = ends.tolist()
    x, y = (axes.transData.transform((point.x, point.y)) * scale).tolist()
    return [Box(x - 2, bottom, x + 2, top), Box(left, y - 2, right, y + 2)]


def _extent(artist: Artist, scale: float) -> Box:
    """Where a text or a line lies, with room around it."""
    left, bottom, right, top = (float(at) * scale for at in artist.get_window_extent().extents)
    return Box(left, bottom - 2, right, top + 2)


def _write(axes: Any, point: Point, aside: float, up: float) -> None:
    """The label on a ground of its own, and under all labels the line that leads to it."""
    side = "left" if aside > 0 else "right"
    place = {"xytext": (aside, up), "textcoords": "offset points"}
    if _led(aside, up):
        line = {"arrowstyle": "-", "color": "#777777", "linewidth": 0.7, "shrinkB": 5, "shrinkA": 0}
        axes.annotate("", (point.x, point.y), arrowprops=line, zorder=3, **place)
    style = {"ha": side, "va": "center", "fontsize": SIZE, "linespacing": 1.2, "zorder": 5}
    ground = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    axes.annotate(point.text, (point.x, point.y), bbox=ground, **place, **style)


def _led(aside: float, up: float) -> bool:
    """Whether a line leads from a point to its label: one that is right beside it needs none."""
    return abs(up) > STEP or abs(aside) > ASIDE


def chosen_offsets(
    places: Sequence[tuple[float, float]], texts: Sequence[str], marks: Sequence[Box], lines: Sequence[Box], frame: Box
) -> list[tuple[float, float]]:
    """Where each label lies from its point: of the places around it the nearest one that covers the least.

    Each is chosen anew, beside all others, until none moves.
    """
    surroundings = Surroundings(places, marks, lines, frame)
    alone = [
        {label: surroundings.cost(number, label) for label in (Label(place, offset, text) for offset in _around())}
        for number, (place, text) in enumerate(zip(places, texts, strict=True))
    ]
    chosen = [next(iter(labels)) for labels in alone]
    for _ in range(ROUNDS):
        before = list(chosen)
        for number, labels in enumerate(alone):
            others = [label for k, label in enumerate(chosen) if k != number]
            costs = {label: cost + sum(_cost_beside(label, one) for one in others) for label, cost in labels.items()}
            chosen[number] = min(costs, key=lambda label: costs[label])
        if chosen == before:
            break
    return [label.offset for label in chosen]


@dataclass(frozen=True)
class Label:
    """A text at an offset from its point."""

    place: tuple[float, float]
    offset: tuple[float, float]
    text: str

    @cached_property
    def box(self) -> Box:
        return _box(self.place, self.offset, self.text)

    @cached_property
    def path(self) -> list[tuple[float, float]]:
        """Points on the line that leads to it; none where there is no line."""
        (x, y), (aside, up) = self.place, self.offset
        steps = (step / 12 for step in range(1, 12)) if _led(aside, up) else ()
        return [(x + step * aside, y + step * up) for step in steps]


@dataclass(frozen=True)
class Surroundings:
    """What a label lies among: all points, their marks, the bars and texts of the plot, and its frame."""

    places: Sequence[tuple[float, float]]
    marks: Sequence[Box]
    lines: Sequence[Box]
    frame: Box

    def cost(self, number: int, label: Label) -> float:
        """What the label of a point covers, crosses, leaves, or seems to belong to; and how far off it lies."""
        box = label.box
        others = [at for k, at in enumerate(self.places) if k != number]
        cost = sum(box.overlap(mark) for mark in self.marks) + OUTSIDE_WEIGHT * box.outside(self.frame)
        cost += BAR_WEIGHT * sum(box.overlap(line) for line in self.lines)
        cost += NEARER_COST * any(box.distance(*other) <= box.distance(*label.place) for other in others)
        foreign = [mark for k, mark in enumerate(self.marks) if k != number]
        cost += CROSSING_COST * sum(mark.holds(x, y) for mark in foreign for x, y in label.path)
        return cost + hypot(*label.offset) / 4 + LEFT_COST * (label.offset[0] < 0)


def _cost_beside(one: Label, other: Label) -> float:
    """What two labels are in each other's way: their texts, and the lines that lead to them."""
    box, there = one.box, other.box
    cost = 2 * box.overlap(there)
    cost += CROSSING_COST * any(there.holds(x, y) for x, y in one.path)
    cost += CROSSING_COST * any(box.holds(x, y) for x, y in other.path)
    return cost + CROSSING_COST * _meet(one, other)


def _meet(one: Label, other: Label) -> bool:
    """Whether the lines that lead to two labels cross."""
    if not (one.path and other.path):
        return False
    a, b, c, d = one.path[0], one.path[-1], other.path[0], other.path[-1]
    return _turn(a, b, c) != _turn(a, b, d) and _turn(c, d, a) != _turn(c, d, b)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) > (b[1] - a[1]) * (c[0] - a[0])


def _around() -> list[tuple[float, float]]:
    ups = [step * STEP for step in range(-STEPS, STEPS + 1)]
    offsets = [(aside, up) for up in ups for aside in (ASIDE, -ASIDE, FARTHER, -FARTHER)]
    return sorted(offsets, key=lambda offset: hypot(*offset) + LEFT_COST * (offset[0] < 0))


def _box(place: tuple[float, float], offset: tuple[float, float], text: str) -> Box:
    rows = text.splitlines()
    width = SIZE * max(sum(1.0 if east_asian_width(letter) in "WF" else 0.53 for letter in one) for one in rows)
    height = LINE * len(rows)
    x, y = place[0] + offset[0], place[1] + offset[1]
    left = x if offset[0] > 0 else x - width
    return Box(left, y - height / 2, left + width, y + height / 2)
