"""Why a file is no Keras model that can be read."""

from __future__ import annotations


class Unloadable(Exception):  # noqa: N818 - what a caller puts into an error of its own
    """Why a file does not load as a Keras model: what Keras raised, or what is wrong with the file."""
