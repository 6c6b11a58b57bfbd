"""How plots look: one style, colours that colour-blind readers can tell apart, texts that a phone can show."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from roundoff.report.render.document import Drawing
from roundoff.results.message import Words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[["Figure"], None]

# Okabe and Ito's palette without its black and its yellow, which vanish on dark and on white pages; and a brown
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7B5B3A")
# a precision has one colour on every page, whatever others stand beside it
COLOURS = {
    "fp32": "#0072B2",
    "tf32": "#56B4E9",
    "fp16": "#D55E00",
    "bf16": "#E69F00",
    "int8": "#009E73",
    "fp8": "#CC79A7",
    "int8_fp16": "#7B5B3A",
    "int8_int16": "#6A51A3",
}
OTHERS = ("#8C564B", "#B22222", "#4D7C0F", "#0E7490", "#A21CAF")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CJK = "notojp_matplotlib", "fonts/NotoSansCJKjp-Regular.otf"  # a package, and its font of all three scripts
WIDTH = 4.6  # inches: about as wide as a telephone shows it, so that letters there are as large as they are here
SMALL = 9.5  # points, the smallest letters: 10 pixels and more on a telephone
BELOW: Any = {"loc": "outside lower center", "ncols": 3, "columnspacing": 1.2, "handletextpad": 0.3}
INK = "#222222"

_STYLE: Any = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "grid.color": "#9a9a9a",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.6,
    "grid.alpha": 0.5,
    "legend.frameon": False,
    "svg.hashsalt": "roundoff",
    "text.parse_math": False,  # a class may be called $\foo$
}


def draw(plot: Draw, width: float, height: float) -> Drawing:
    """Draw `plot` on a figure of `width` × `height` inches; the same input gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "font.family": _fonts()}):
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        plot(figure)
        return Drawing(png=_saved(figure, "png"), svg=_saved(figure, "svg"))


@cache
def _fonts() -> list[str]:
    """The font, and one for Chinese, Japanese and Korean class names, the same on every machine.

    Its package is not imported, since that would change matplotlib's settings. A bare machine may not have it.
    """
    from matplotlib.font_manager import FontProperties, fontManager

    package, font = CJK
    spec = find_spec(package)
    paths = [Path(place) / font for place in (spec.submodule_search_locations or ())] if spec else []
    for path in filter(Path.is_file, paths):
        fontManager.addfont(path)
        return [*_STYLE["font.family"], FontProperties(fname=path).get_name()]
    return [*_STYLE["font.family"]]


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=160, metadata=metadata, transparent=kind == "svg")
    return buffer.getvalue()


def colour_of(precision: str) -> str:
    """The colour of a precision, the same in every plot; of one that is not ours by its name."""
    return COLOURS.get(precision) or OTHERS[crc32(precision.encode()) % len(OTHERS)]


def kind_colour(kind: str, kinds: tuple[str, ...]) -> str:
    """The colour of a `kind` among all of a plot's."""
    return PALETTE[kinds.index(kind) % len(PALETTE)]


def marker_of(name: str, names: tuple[str, ...]) -> str:
    """The marker of the `name` among all `names` of a plot."""
    return MARKERS[names.index(name) % len(MARKERS)]


def scale_name(axis: Any, words: Words) -> str:
    """Whether an axis of matplotlib's is linear or logarithmic, in words."""
    return words("scale_log" if axis.get_scale() == "log" else "scale_linear")


def title(figure: Figure, text: str) -> None:
    """Above the whole figure, since long labels leave the axes too narrow for it."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11)
