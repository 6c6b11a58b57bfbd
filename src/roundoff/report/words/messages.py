"""The words of a report, one catalogue a language; both hold the same keys and placeholders (a test sees to it)."""

from __future__ import annotations

import json
import re
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
        path = files("roundoff.report.words").joinpath(f"messages_{self.language}.json")
        catalogue: dict[str, str] = json.loads(path.read_text("utf-8"))
        return catalogue

    @cached_property
    def _said(self) -> dict[str, str]:
        path = files("roundoff.report.words").joinpath(f"said_{self.language}.json")
        found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return found

    def __call__(self, key: str, **values: object) -> str:
        return self.catalogue[key].format(**values)

    def said(self, text: str) -> str:
        """A sentence that another part of the program wrote in English, in this language.

        `said_XX.json` holds patterns of whole sentences, whose groups may be sentences too; what none of them matches
        stays as it was written.
        """
        for pattern, sentence in self._said.items():
            match = re.fullmatch(pattern, text)
            if match:
                return sentence.format(*map(self.said, match.groups()))
        return text

    def span(self, low: object, high: object) -> str:
        """A range of figures; one figure where both ends are the same."""
        return str(low) if low == high else self("span", low=low, high=high)

    def known(self, key: str) -> bool:
        """Whether the catalogue has a sentence for `key`."""
        return key in self.catalogue
