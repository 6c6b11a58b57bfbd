"""Whether a taken model is fed as it was trained: its answers under the usual other preprocessings, in pairs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Labels
from roundoff.errors import GateError
from roundoff.model.taking.preprocessing import Preprocessing

LEAST_GAIN, LEVEL = 0.02, 0.001
LEAST_SENSE = 0.5  # of the images right in the other order: an untrained model also has a best one
FEW, SCREENED = 64, 256  # images on which a candidate must not be clearly worse, and not worse, to get more
MOST_IMAGES = 2048

USUAL: Mapping[str, Preprocessing] = {
    "pixels as they are": Preprocessing(),
    "÷ 255": Preprocessing(scale=(1 / 255,)),
    "−1 to 1": Preprocessing(scale=(1 / 127.5,), offset=(-1.0,)),
    "ImageNet's mean and deviation": Preprocessing(
        scale=(1 / 255,), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    "ImageNet's mean": Preprocessing(mean=(123.68, 116.779, 103.939)),
}

Indices = NDArray[np.int64]
Answers = Callable[[Preprocessing, Indices], NDArray[np.int64]]


def candidates(own: Preprocessing, channels: int, takes_pixels: bool) -> dict[str, Preprocessing]:
    """The usual preprocessings other than `own`, by what they are called, in both orders of colour channels.

    A mean per channel follows its channel into the other order. `own` in the other order is one of them.
    """
    usual = {} if takes_pixels else dict(USUAL)
    if channels == 3:
        usual |= {f"{name}, BGR": _reversed(each) for name, each in usual.items()}
        usual["the same numbers in the other order of channels"] = _flipped(own)
    distinct = {_key(own): ("", own)}
    for name, each in usual.items():
        if each.channels in (None, channels):
            distinct.setdefault(_key(each), (name, each))
    return dict([*distinct.values()][1:])


def _flipped(own: Preprocessing) -> Preprocessing:
    order = "rgb" if own.channel_order == "bgr" else "bgr"
    return Preprocessing(own.scale, own.offset, own.mean, own.std, order)


def _reversed(each: Preprocessing) -> Preprocessing:
    return Preprocessing(each.scale[::-1], each.offset[::-1], each.mean[::-1], each.std[::-1], "bgr")


def _key(each: Preprocessing) -> tuple[object, ...]:
    factors, summands = (tuple(np.round(values, 6)) for values in each.affine())
    return factors, summands, each.channel_order


@dataclass(frozen=True)
class Finding:
    """Something that answers clearly more of the images rightly: how many (`accuracy`), and the error that says so."""

    accuracy: float
    error: GateError


def better_preprocessing(
    own: Preprocessing,
    right: NDArray[np.bool_],
    others: Mapping[str, Preprocessing],
    answers: Answers,
    chosen: Indices,
    labels: Labels,
) -> Finding | None:
    """Which of `others` answers the most images rightly, of those at least 2 points better than `own` (`right`).

    `answers` gives the classes of the training images at indices: those of all `chosen` ones are `labels`.

    At p < 0.001 by McNemar's exact test, with Holm's correction for all of `others`. Those that are worse on the first
    images, or clearly worse on the very first, are not tried on the rest.
    """
    outcomes: dict[str, tuple[float, float]] = {}
    for name, each in others.items():
        theirs = np.zeros(0, np.bool_)
        for end in (FEW, SCREENED, len(chosen)):
            part = slice(len(theirs), end)
            theirs = np.concatenate([theirs, answers(each, chosen[part]) == labels[part]])
            if _screened_out(right[: len(theirs)], theirs, end):
                break
        else:
            outcomes[name] = _p_value(right, theirs), float(theirs.mean() - right.mean())
    better = _holm(outcomes, len(others))
    if not better:
        return None
    name = max(better, key=lambda each: outcomes[each][1])
    p_value, gain = outcomes[name]
    error = GateError(
        "The model is not fed as it was trained: another preprocessing is clearly better",
        received=f"{right.mean():.1%} of {len(right)} held-out training images right with {own.words()}",
        expected=f"{right.mean() + gain:.1%}, as with {name} (McNemar's p = {p_value:.1e})",
        fix=f"set {others[name].words(own)}; or go on as it is with model.check_preprocessing=false",
    )
    return Finding(float(right.mean()) + gain, error)


def _screened_out(ours: NDArray[np.bool_], theirs: NDArray[np.bool_], end: int) -> bool:
    if end == FEW:
        return theirs.sum() < ours.sum() and _p_value(ours, theirs) < LEVEL
    return end == SCREENED and theirs.sum() <= ours.sum()


def _holm(outcomes: Mapping[str, tuple[float, float]], tests: int) -> list[str]:
    """The names whose p-values hold at `LEVEL` among `tests` by Holm's procedure, and whose gain is large enough."""
    held = []
    for place, name in enumerate(sorted(outcomes, key=lambda name: outcomes[name][0])):
        if outcomes[name][0] * (tests - place) >= LEVEL:
            break
        held.append(name)
    return [name for name in held if outcomes[name][1] >= LEAST_GAIN]


def _p_value(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    from scipy import stats

    regressed, corrected = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return float(stats.binomtest(regressed, regressed + corrected, 0.5).pvalue) if regressed + corrected else 1.0


def other_order(
    predicted: NDArray[np.int64], labels: Labels, classes: tuple[str, ...], named: tuple[str, ...]
) -> Finding | None:
    """The order of classes that the model's answers, `named` so far, stand for, where the images tell another.

    The order is matched on one half of the images and tried on the other: 2 points better at p < 0.001 there, and half
    of them right.
    """
    half = np.arange(len(labels)) % 2 == 0
    meant = _matched(predicted[half], labels[half], len(classes))
    ours, theirs = predicted[~half] == labels[~half], meant[predicted[~half]] == labels[~half]
    gain = float(theirs.mean() - ours.mean())
    if gain < LEAST_GAIN or theirs.mean() < LEAST_SENSE or _p_value(ours, theirs) >= LEVEL:
        return None
    place = {name: number for number, name in enumerate(classes)}
    order = ",".join(classes[meant[place[name]]] if name in place else name for name in named)
    plain = len(order) <= 300 and re.fullmatch(r"[\w,-]+", order)
    error = GateError(
        "The model's answers stand for the classes in another order",
        received=f"{ours.mean():.1%} of {len(ours)} held-out training images right, with the answers in the order of "
        f"{'model.classes' if named != classes else 'the dataset (alphabetical for a folder)'}",
        expected=f"{theirs.mean():.1%}, as in the order {order[:1000]}",
        fix=f"set model.classes{f'=[{order}]' if plain else ' to a text file with these names, one a line'}; "
        "or go on as it is with model.check_preprocessing=false",
    )
    return Finding(float(theirs.mean()), error)


def _matched(predicted: NDArray[np.int64], labels: Labels, classes: int) -> NDArray[np.int64]:
    """For each answer the class that it stands for, so that most of the images are right; as it is where none tells."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((classes, classes))
    np.add.at(counts, (predicted, labels), 1)
    np.fill_diagonal(counts, counts.diagonal() + 0.5)
    return np.asarray(linear_sum_assignment(-counts)[1], np.int64)
