"""Importing Keras without the start-up messages of its backend."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def quiet_keras() -> Any:
    """Keras, on the backend that KERAS_BACKEND names; where that is TensorFlow, its operations are deterministic.

    Raises what the import raises, after printing all that was held back.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    with held_back_stderr():
        import keras
    return keras


@contextmanager
def held_back_stderr() -> Iterator[None]:
    """Drop what is written to file descriptor 2, also by C++ code; on an exception, print it first.

    TensorFlow's C++ libraries write some lines before their log levels are read, so no variable silences them.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        saved = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
