"""Importing Keras without the start-up messages of its backend."""

from __future__ import annotations

import os
from typing import Any

from roundoff.system.held_output import held_back_stderr


def quiet_keras() -> Any:
    """Keras, on the backend that KERAS_BACKEND names; where that is TensorFlow, its operations are deterministic.

    Raises what the import raises, after printing all that was held back.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    with held_back_stderr():
        import keras
    return keras
