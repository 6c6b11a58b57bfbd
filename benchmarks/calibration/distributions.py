"""Random distributions of the shapes that activations have, for benchmarks/calibration/choice.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sampler = Callable[[Any, tuple[int, int]], Any]
"""Draws values of a shape (images, values of each) with a generator of its own."""


class Distribution:
    """The distribution of a seed: `kind`, and `values` of each image; parameters are drawn once."""

    def __init__(self, seed: int, values: int) -> None:
        self._seed = seed
        random = np.random.default_rng(seed)
        kinds = sorted(KINDS)
        self.kind = kinds[seed % len(kinds)]
        self.values = values
        self._scale = float(10 ** random.uniform(-3, 3))
        self._sampler = KINDS[self.kind](random)

    def sample(self, stream: int, images: int) -> NDArray[np.float32]:
        """Values float32 [images, values]; other streams are independent."""
        random = np.random.default_rng([self._seed, stream])
        return np.asarray(self._sampler(random, (images, self.values)) * self._scale, np.float32)


def _spike(base: Sampler) -> Callable[[Any], Sampler]:
    """Most values are one number, anywhere: a background, or the zeros of a ReLU behind BatchNorm."""

    def made(random: Any) -> Sampler:
        place, share = random.uniform(-4, 4), random.uniform(0.2, 0.99)
        return lambda draws, shape: np.where(draws.random(shape) < share, place, base(draws, shape))

    return made


def _mixture(random: Any) -> Sampler:
    count = int(random.integers(2, 6))
    means, widths = random.normal(size=count) * 3, 10 ** random.uniform(-2, 0.5, count)
    weights = random.dirichlet([1] * count)

    def draw(draws: Any, shape: tuple[int, int]) -> Any:
        part = draws.choice(count, p=weights, size=shape)
        return draws.normal(means[part], widths[part])

    return draw


def _bimodal(random: Any) -> Sampler:
    share, width, other = random.uniform(0.05, 0.95), random.uniform(0.01, 0.2), random.uniform(1, 5)
    return lambda draws, shape: np.where(draws.random(shape) < share, -2, other) + draws.normal(size=shape) * width


def _student(random: Any) -> Sampler:
    freedom = random.uniform(5, 12)
    return lambda draws, shape: draws.standard_t(freedom, size=shape)


def _lognormal(random: Any) -> Sampler:
    sigma, sided = random.uniform(0.2, 0.6), random.random() < 0.5
    return lambda draws, shape: draws.lognormal(0, sigma, shape) * (1 if sided else draws.choice([-1, 1], shape))


def _offset(random: Any) -> Sampler:
    place, width = random.uniform(-5, 5), 10 ** random.uniform(-2, 0.5)
    return lambda draws, shape: place + width * draws.normal(size=shape)


def _sparse(random: Any) -> Sampler:
    share = random.uniform(0.5, 0.98)
    return lambda draws, shape: np.where(draws.random(shape) < share, 0, draws.normal(size=shape))


def _levels(random: Any) -> Sampler:
    values = random.normal(size=int(random.integers(1, 20)))
    return lambda draws, shape: values[draws.integers(0, len(values), shape)]


def _relu(random: Any) -> Sampler:
    mean, top = random.uniform(-1, 1), random.choice([1.5, 6, np.inf])
    return lambda draws, shape: np.clip(draws.normal(mean, 1, shape), 0, top)


def _swish(random: Any) -> Sampler:
    width = random.uniform(0.5, 5)

    def draw(draws: Any, shape: tuple[int, int]) -> Any:
        values = draws.normal(size=shape) * width
        return values / (1 + np.exp(-values))

    return draw


def _sigmoid(random: Any) -> Sampler:
    width = random.uniform(0.2, 5)
    return lambda draws, shape: 1 / (1 + np.exp(-width * draws.normal(size=shape)))


def _pixels(random: Any) -> Sampler:
    mean, width = random.uniform(0, 255), random.uniform(20, 120)

    def draw(draws: Any, shape: tuple[int, int]) -> Any:
        return (np.clip(draws.normal(mean, width, shape), 0, 255).astype(np.uint8) / 255.0 - 0.45) / 0.22

    return draw


def _concat(random: Any) -> Sampler:
    """Branches of unlike ranges side by side."""
    widths = 10 ** random.uniform(-1.5, 0.5, 4)
    return lambda draws, shape: np.maximum(draws.normal(size=shape), 0) * widths[np.arange(shape[1]) % 4]


def _batch_norm(random: Any) -> Sampler:
    """A ReLU's outputs, scaled and shifted by channel: each channel has its spike."""
    factors, shifts = random.uniform(0.5, 1.5, 16), random.normal(size=16) * 0.4

    def draw(draws: Any, shape: tuple[int, int]) -> Any:
        channel = np.arange(shape[1]) % 16
        return np.maximum(draws.normal(size=shape), 0) * factors[channel] + shifts[channel]

    return draw


def _normal(draws: Any, shape: tuple[int, int]) -> Any:
    return draws.normal(size=shape)


def _laplace(draws: Any, shape: tuple[int, int]) -> Any:
    return draws.laplace(size=shape)


KINDS: dict[str, Callable[[Any], Sampler]] = {
    "batch norm": _batch_norm,
    "bimodal": _bimodal,
    "concat": _concat,
    "laplace": lambda random: _laplace,
    "levels": _levels,
    "lognormal": _lognormal,
    "mixture": _mixture,
    "normal": lambda random: _normal,
    "offset": _offset,
    "pixels": _pixels,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "sparse": _sparse,
    "spike and laplace": _spike(_laplace),
    "spike and normal": _spike(_normal),
    "student": _student,
    "swish": _swish,
    "tiny": lambda random: lambda draws, shape: 1e-20 * draws.normal(size=shape),
    "uniform": lambda random: lambda draws, shape: draws.uniform(-1, 1, shape),
}
