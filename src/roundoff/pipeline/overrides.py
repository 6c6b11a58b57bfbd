"""The command line, looked at before Hydra composes: it has no words for a group that is nothing or a new name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from roundoff.errors import ConfigError
from roundoff.pipeline.config.renamed import refuse_renamed
from roundoff.pipeline.groups import OF_SECTION

SEVERAL = (*OF_SECTION.values(), "experiment")


def check_overrides(arguments: Sequence[str], conf: Path) -> None:
    """ConfigError for a group, a folder of `conf`, that is set to anything but names, a key's old name, and no name.

    Several names may stand where each option has a place of its own, and for experiments.

    The rest is left to Hydra.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    groups = {path.name: path for path in sorted(conf.glob("*/"))}
    for argument in arguments:
        if argument.startswith("-") or "=" not in argument:
            continue
        try:
            override = OverridesParser.create().parse_override(argument)
        except HydraException:  # Hydra shows where
            continue
        group = override.key_or_group
        if not group:
            raise _nameless(argument)
        refuse_renamed(group, argument)
        names = str | list if group in SEVERAL else str
        if group in groups and not override.is_sweep_override() and not isinstance(override.value(), names):
            raise ConfigError(
                f"{group} is a config group, and names a file of conf/{group}/",
                received=argument,
                expected=f"{group}=NAME, of {', '.join(path.stem for path in sorted(groups[group].glob('*.yaml')))}",
                fix=f"name one, or leave {group} out",
            )


def _nameless(argument: str) -> ConfigError:
    return ConfigError(
        "a setting has no name",
        received=argument,
        expected="KEY=VALUE or GROUP=NAME",
        fix="write the key in front of the sign, or leave the setting out",
    )
