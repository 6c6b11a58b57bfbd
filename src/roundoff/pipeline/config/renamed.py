"""Keys of the configuration that had other names, or are gone: the old one is refused with what to do."""

from __future__ import annotations

from fnmatch import fnmatchcase

from roundoff.errors import ConfigError
from roundoff.pipeline.config.plain import shortened
from roundoff.system.slots import STAGED

RENAMED = {
    "verdict.keep": "verdict.min_relative_accuracy",
    "verdict.points": "verdict.max_drop_points",
    "evaluate.untimed": "evaluate.accuracy_only",
    "evaluate.spread": "evaluate.multi_gpu",
    "evaluate.rotate": "evaluate.input_buffers",
    "evaluate.control": "evaluate.aa_control",
    "paths.keras": "paths.trained",
    "precisions.*.keep": "precisions.*.keep_float32",
    "more.*.keep": "more.*.keep_float32",
}
GONE = {"evaluate.accuracy_batch": "backends cut the test set into parts that they can hold"}


def refuse_renamed(key: str, received: object) -> None:
    """Raise ConfigError where `key` is the old name of another, or gone; `received` is what was written."""
    for old, new in RENAMED.items():
        if fnmatchcase(key, old):
            now = new.replace("*", key.split(".")[1])
            raise ConfigError(f"{key} has a new name", received=received, expected=now, fix=f"write {now} instead")
    if key in GONE:
        raise ConfigError(f"{key} is gone", received=received, expected=GONE[key], fix=f"remove {key}")


def refuse_second_list(value: object) -> None:
    """Raise ConfigError where build.more, which named precisions beside `precision`, holds anything at all."""
    if value is not None:
        named = value if isinstance(value, list) else []
        raise ConfigError(
            "build.more is no setting any more: precisions are named in one list",
            received=shortened(f"build.more={value}"),
            expected="the group `precision`, with what is to be built beside fp32, fp16 and int8",
            fix=shortened(f"say precision=[{','.join(map(str, (*STAGED, *named)))}], and leave build.more out"),
        )
