"""Calibration: beside other tools, beside the best candidate, and its own rules beside their opposites."""
