"""The configuration: its check as a whole, and the components that it describes."""

from roundoff.pipeline.config.asked import given_precision, mixed_precision, precision_made_here
from roundoff.pipeline.config.making import component, components
from roundoff.pipeline.config.whole import check

__all__ = ["check", "component", "components", "given_precision", "mixed_precision", "precision_made_here"]
