"""The configuration: its check as a whole, and the components that it describes."""

from roundoff.pipeline.config.making import component, components
from roundoff.pipeline.config.whole import check, precision_to_build, require_given, require_made_here, require_mixed

__all__ = [
    "check",
    "component",
    "components",
    "precision_to_build",
    "require_given",
    "require_made_here",
    "require_mixed",
]
