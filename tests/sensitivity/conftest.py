"""Fixtures of a small residual network and its images."""

from tests.support.calibration import model_path, prepared

__all__ = ["model_path", "prepared"]
