"""The words of a report, one catalogue a language; both hold the same keys and placeholders (a test sees to it)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from roundoff.errors import ConfigError

LANGUAGES = ("en", "ja")


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
        path = files("roundoff.report").joinpath(f"messages_{self.language}.json")
        catalogue: dict[str, str] = json.loads(path.read_text("utf-8"))
        return catalogue

    def __call__(self, key: str, **values: object) -> str:
        return self.catalogue[key].format(**values)

    def known(self, key: str) -> bool:
        """Whether the catalogue has a sentence for `key`."""
        return key in self.catalogue
