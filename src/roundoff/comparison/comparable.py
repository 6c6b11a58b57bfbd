"""Which runs' accuracies may be compared: those of one network on the same test images."""

from __future__ import annotations

from collections.abc import Sequence

from roundoff.comparison.run import Run
from roundoff.results.cell import Accuracy
from roundoff.results.message import Message, message
from roundoff.results.values import bounds_of
from roundoff.revisions.change import Judgement, interval_of_change
from roundoff.revisions.diff import differing_contexts
from roundoff.revisions.figures import ACCURACY_FIGURES

TOP1 = next(figure for figure in ACCURACY_FIGURES if figure.name == "top1")


def classes_of(runs: Sequence[Run]) -> list[list[int]]:
    """The numbers of the runs in classes that may be compared with one another, in the order of the runs."""
    classes: list[list[int]] = []
    for number, run in enumerate(runs):
        fitting = (each for each in classes if not why_not(runs[each[0]], run))
        each = next(fitting, None)
        if each is None:
            classes.append([number])
        else:
            each.append(number)
    return classes


def why_not(a: Run, b: Run) -> list[Message]:
    """Why the accuracies of two runs may not be compared; nothing where they may."""
    return [reason for reason in (_of_images(a, b), of_graph(a, b)) if reason is not None]


def difference(a: Accuracy | None, b: Accuracy | None) -> tuple[float, float] | None:
    """The 95 % interval of b's top-1 minus a's, shares, as of independent samples; None where it tells nothing."""
    if a is None or b is None or a.samples != b.samples or a.stopped_early or b.stopped_early:
        return None
    return interval_of_change(TOP1, a, b, 0.0) if bounds_of(a, "top1") and bounds_of(b, "top1") else None


def judged(interval: tuple[float, float] | None) -> Judgement:
    """What an interval of a difference allows one to say."""
    if interval is None:
        return "noise unknown"
    low, high = interval
    return "within noise" if low <= 0 <= high else "better" if low > 0 else "worse"


def _of_images(a: Run, b: Run) -> Message | None:
    if "test set" in differing_contexts(a.snapshot, b.snapshot, (a.context, b.context)):
        return message("compare_other_images")
    told = ((a.context.test_set, b.context.test_set), (a.context.prepared, b.context.prepared))
    return None if any(None not in pair for pair in told) else message("compare_images_unknown")


def of_graph(a: Run, b: Run) -> Message | None:
    """That the networks differ, or are not known; None: they are the same."""
    shared = [name for name in a.model_graphs if name in b.model_graphs]
    if not shared:
        return message("compare_graph_unknown")
    return message("compare_other_graph") if a.model_graphs[shared[0]] != b.model_graphs[shared[0]] else None
