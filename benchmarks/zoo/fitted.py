"""What Keras' and PyTorch's trainings share: how they train, and what they tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

BATCH, SHIFT, WARM_UP = 512, 4, 0.05
"""Images a step, pixels (of 32) by which images are moved, share of the training that warms up."""
WEIGHT_DECAY, SMOOTHING, CLIP = 0.02, 0.1, 1.0


@dataclass(frozen=True)
class Fitted:
    """Steps that were made, the last loss, accuracy on the test images, and seconds by what took them."""

    steps: int
    loss: float
    accuracy: float
    compiling_s: float
    training_s: float


@dataclass(frozen=True)
class Member:
    """A trained member: its training, its size, what trained it and where."""

    fitted: Fitted
    parameters: int
    versions: dict[str, str]
    device: str


def rate(highest: float, share: float) -> float:
    """The learning rate at a share of the training: linear up, then a cosine down to 0."""
    if share < WARM_UP:
        return highest * share / WARM_UP
    return highest * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP))) / 2
