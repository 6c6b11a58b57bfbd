"""Fixtures that the rooms of calibration and its benchmark share."""

from tests.support.calibration import model_path, prepared

__all__ = ["model_path", "prepared"]
