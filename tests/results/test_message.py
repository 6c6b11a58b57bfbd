"""The catalogues: complete in every language, without dead or missing sentences."""

import re
from pathlib import Path
from string import Formatter

import pytest

import roundoff
from roundoff.errors import ConfigError
from roundoff.results.message import LANGUAGES, Words

SOURCE = "\n".join(path.read_text() for path in Path(roundoff.__path__[0]).rglob("*.py"))


def placeholders(sentence):
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_languages_have_the_same_keys():
    keys = {language: set(Words(language).catalogue) for language in LANGUAGES}
    assert len(set(map(frozenset, keys.values()))) == 1


def test_languages_have_the_same_placeholders():
    first, *others = (Words(language).catalogue for language in LANGUAGES)
    for other in others:
        differing = [key for key in first if placeholders(first[key]) != placeholders(other[key])]
        assert differing == []


def test_japanese_sentences_are_japanese():
    catalogue = Words("ja").catalogue
    kana_or_kanji = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
    universal = re.compile(r"^(\{\w+\}|[\W\d]|SQNR|dB|SM)*$")
    latin = [key for key, text in catalogue.items() if not kana_or_kanji.search(text) and not universal.match(text)]
    assert latin == []


def test_every_sentence_is_used():
    fixed = set(re.findall(r'"([a-z0-9_]+)"', SOURCE))
    composed = tuple(re.findall(r'f"([a-z_]+_)\{', SOURCE))
    unused = [key for key in Words("en").catalogue if key not in fixed and not key.startswith(composed)]
    assert unused == []


def test_every_named_sentence_exists():
    named = set(re.findall(r'words\(\s*"([a-z0-9_]+)"', SOURCE))
    assert named - set(Words("en").catalogue) == set()


def test_unknown_language_is_refused():
    with pytest.raises(ConfigError, match="'de'"):
        Words("de")
