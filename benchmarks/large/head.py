"""The last layer of a network whose other weights are random."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
RIDGE, SHARPNESS = 1e-3, 20.0
"""The penalty, as a share of the features' mean variance; what logits are multiplied by, as trained ones are apart."""


def fitted(features: Array, labels: NDArray[np.int64], classes: int) -> tuple[Array, Array]:
    """Weights [F, classes] and bias [classes] of the ridge regression of features [N, F] on one-hot labels.

    Solved in the dual form (N × N), since N may be less than F (Hoerl and Kennard, 1970; its kernel form).
    """
    mean = features.mean(0)
    centred: Any = (features - mean).astype(np.float64)
    wanted = np.eye(classes)[labels]
    gram = centred @ centred.T
    ridge = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    weights = SHARPNESS * (centred.T @ np.linalg.solve(gram + ridge, wanted - wanted.mean(0)))
    bias = SHARPNESS * wanted.mean(0) - mean @ weights
    return weights.astype(np.float32), bias.astype(np.float32)
