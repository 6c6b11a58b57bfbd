"""YAML that a tool wrote: plain values, as many as stand there, or refused in words."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from roundoff.errors import DataError

# What PyYAML raises on texts that are none: its own, and what its constructors of numbers, dates and keys let through
BROKEN = (yaml.YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError, ArithmeticError)


def parsed_yaml(data: bytes, where: str, fix: str) -> object:
    """The content of YAML in UTF-8, an empty one of an empty text; DataError, which names `where` it stands."""
    try:
        text = data.decode("utf-8")
        if alias := next(_aliases(text), None):
            raise ValueError(f"the alias *{alias}")
        content = yaml.safe_load(text)
    except BROKEN as error:
        raise DataError(
            f"{where} cannot be read",
            received=str(error).strip().partition("\n")[0] or type(error).__name__,
            expected="YAML in UTF-8, as DVC writes it",
            fix=fix,
        ) from error
    return {} if content is None else content


def _aliases(text: str) -> Iterator[str]:
    """Names of aliases, which DVC writes none of: they may stand for more values than any memory holds."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            yield str(event.anchor)
