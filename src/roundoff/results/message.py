"""A sentence by its code and values, and the catalogue of each language that makes words of it.

Nobody reads a decision out of a sentence: what decides is the code and the values. Both catalogues hold the same codes
and placeholders (a test sees to it). Where a sentence comes to ask for other values, it gets another code or its files
another format: what is read with values that do not fit is refused (`fitting`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Annotated, TypeAlias

from msgspec import Meta

from roundoff.errors import ConfigError

LANGUAGES = ("en", "ja")
VERBATIM = "verbatim"
Value: TypeAlias = "str | int | float | bool | Message | Sequence[str | Message] | None"


@dataclass(frozen=True)
class Message:
    """What is to be said: a code of the catalogue, and the values in its sentence, which may be messages themselves.

    As text (`str`) it is the English sentence, for logs and errors.
    """

    code: Annotated[str, Meta(description="key of the sentence in the catalogue")]
    values: Annotated[dict[str, Value], Meta(description="what stands in the sentence")] = field(default_factory=dict)

    def __str__(self) -> str:
        return Words("en").sentence(self)

    def __hash__(self) -> int:
        return hash(self.code)


def message(code: str, /, **values: Value) -> Message:
    """`Message(code, values)` with the values as keywords."""
    return Message(code, dict(values))


def verbatim(text: str) -> Message:
    """Words that are not ours, such as a runtime's own: the same in every language."""
    return Message(VERBATIM, {"text": text})


def as_message(words: object) -> Message:
    """A message as it is, anything else as its own words."""
    return words if isinstance(words, Message) else verbatim(str(words))


@dataclass(frozen=True)
class Words:
    """The catalogue of one language: `words(key, name=value)` is its sentence with the values in place."""

    language: str

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ConfigError(
                "report.language is not a language that the report is written in",
                received=repr(self.language),
                expected="one of " + ", ".join(LANGUAGES),
                fix="set report.language=en or report.language=ja",
            )

    @cached_property
    def catalogue(self) -> dict[str, str]:
        """Sentences by key."""
        path = files("roundoff").joinpath("catalogue", f"{self.language}.json")
        catalogue: dict[str, str] = json.loads(path.read_text("utf-8"))
        return catalogue

    def __call__(self, key: str, /, **values: object) -> str:
        return self.catalogue[key].format(**{name: self._value(value) for name, value in values.items()})

    def sentence(self, said: Message) -> str:
        """The message in this language; one of another version's catalogue by its code and values."""
        if said.code == VERBATIM:
            return str(said.values.get("text", ""))
        try:
            return self(said.code, **said.values)
        except (KeyError, TypeError, ValueError):
            told = (f"{name} {self._value(value)}" for name, value in said.values.items())
            return f"{said.code}: {', '.join(told)}"

    def sentences(self, said: Sequence[Message]) -> str:
        """Several messages as one text."""
        return self("group_separator").join(self.sentence(each) for each in said)

    def listed(self, each: Iterable[str | Message]) -> str:
        """Words and messages as one list."""
        return str(self._value(list(each)))

    def span(self, low: object, high: object) -> str:
        """A range of figures; one figure where both ends are the same."""
        return str(low) if low == high else self("span", low=low, high=high)

    def known(self, key: str) -> bool:
        """Whether the catalogue has a sentence for `key`."""
        return key in self.catalogue

    def _value(self, value: object) -> object:
        if isinstance(value, Message):
            return self.sentence(value)
        if isinstance(value, list | tuple):
            return self("list_separator").join(str(self._value(each)) for each in value)
        return value
