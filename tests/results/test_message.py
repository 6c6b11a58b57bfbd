"""Messages and their catalogues: complete in every language, without dead or missing sentences."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

import roundoff
from roundoff.errors import ConfigError
from roundoff.results.message import LANGUAGES, Message, Words, as_message, message, verbatim

SOURCES = [path.read_text("utf-8") for path in sorted(Path(roundoff.__path__[0]).rglob("*.py"))]
SOURCE = "\n".join(SOURCES)
RENDERERS = ("message", "words")


def placeholders(sentence):
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def rendered():
    """Code and names of the values of each `message("code", name=…)` and `words("code", name=…)` in the source.

    The names are None where they are not written out there.
    """
    calls = (node for text in SOURCES for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    for call in calls:
        named = isinstance(call.func, ast.Name) and call.func.id in RENDERERS
        if named and call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
            names = [keyword.arg for keyword in call.keywords]
            yield call.args[0].value, None if None in names else set(names)


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
    universal = re.compile(r"^(\{\w+\}|[\W\d]|SQNR|dB|SM|MB)*$")
    latin = [key for key, text in catalogue.items() if not kana_or_kanji.search(text) and not universal.match(text)]
    assert latin == []


def test_japanese_names_the_target_and_limits_as_such():
    catalogue = Words("ja").catalogue
    assert not any("予算" in text or "遵守" in text or "基準値" in text for text in catalogue.values())
    targets = ("criterion_min_relative_accuracy", "criterion_max_drop_points", "fact_target", "answer_faster")
    assert all("目標" in catalogue[key] for key in targets)


def test_every_sentence_is_used():
    fixed = set(re.findall(r'"([a-z0-9_]+)"', SOURCE))
    composed = tuple(re.findall(r'f"([a-z0-9_]+_)\{', SOURCE))
    unused = [key for key in Words("en").catalogue if key not in fixed and not key.startswith(composed)]
    assert unused == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_sentence_with_its_values(language):
    catalogue = Words(language).catalogue
    found = list(rendered())
    assert len(found) > 100
    assert sorted({code for code, _ in found} - set(catalogue)) == []
    wrong = {code: names for code, names in found if names is not None and names != placeholders(catalogue[code])}
    assert wrong == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_holds_messages(language):
    words = Words(language)
    inner = [message("layers_in", count=2, kind="int8"), verbatim("other words")]
    assert words.sentence(message("failed_because", reason=inner[0])) == words(
        "failed_because", reason=words.listed(inner[:1])
    )
    assert words.listed(inner) == words("layers_in", count=2, kind="int8") + words("list_separator") + "other words"
    assert words.sentences(inner).endswith(words("group_separator") + "other words")


@pytest.mark.parametrize("code", ["not_yet_known", "answer_ship", "tensor_constant"])
def test_a_sentence_of_another_version_is_said_with_its_code_and_values(code):
    """A code without a sentence, a sentence that asks for other values, and one for a value of another type."""
    said = message(code, tensor=verbatim("so"), value="none")
    assert Words("ja").sentence(said) == str(said) == f"{code}: tensor so, value none"


def test_equal_messages_are_one_key():
    first, second = (Message("failed", {"why": [verbatim("a")]}) for _ in range(2))
    assert {first: 1, message("failed", why=[verbatim("b")]): 2}[second] == 1


def test_what_is_no_message_stays_as_it_was_written():
    assert as_message("something new") == verbatim("something new")
    assert {Words(language).sentence(as_message("something new")) for language in LANGUAGES} == {"something new"}


def test_one_figure_is_no_range():
    words = Words("ja")
    assert words.span(35, 35) == "35"
    assert words.span(12, 35) == "12～35"


def test_unknown_language_is_refused():
    with pytest.raises(ConfigError, match="'de'"):
        Words("de")
