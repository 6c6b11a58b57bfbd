"""Keys of the configuration that had other names: the old one is refused with the new one."""

from __future__ import annotations

from roundoff.errors import ConfigError

RENAMED = {
    "verdict.keep": "verdict.min_relative_accuracy",
    "verdict.points": "verdict.max_drop_points",
    "evaluate.untimed": "evaluate.accuracy_only",
    "evaluate.spread": "evaluate.multi_gpu",
    "evaluate.rotate": "evaluate.input_buffers",
    "evaluate.control": "evaluate.aa_control",
}


def refuse_renamed(key: str, received: object) -> None:
    """Raise ConfigError where `key` is the old name of another; `received` is what was written."""
    if key in RENAMED:
        raise ConfigError(
            f"{key} has a new name", received=received, expected=RENAMED[key], fix=f"write {RENAMED[key]} instead"
        )
