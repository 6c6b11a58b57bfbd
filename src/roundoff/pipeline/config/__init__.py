"""The configuration: its check as a whole, and the components that it describes."""

from roundoff.pipeline.config.making import component, components
from roundoff.pipeline.config.whole import ALWAYS_BUILT, check, precision_to_build

__all__ = ["ALWAYS_BUILT", "check", "component", "components", "precision_to_build"]
