"""A message that was read holds what its sentence is made for; one of another version may hold anything."""

import pytest

from roundoff.errors import DataError
from roundoff.results.checked import as_json, checked
from roundoff.results.fitting import NUMBERS, misfits
from roundoff.results.message import Message, message, verbatim


@pytest.mark.parametrize(
    "value", ["text", "", [], None, True, [verbatim("a")], verbatim("a")], ids=lambda value: repr(value)[:12]
)
def test_a_number_is_a_number(value):
    assert list(misfits(message("noisy", cv=value))) == [f": noisy with cv {value!r}"]


@pytest.mark.parametrize("value", [5, 2.5, True, None, []], ids=repr)
@pytest.mark.parametrize(("code", "name"), [("no_nvml_package", None), ("no_int16", "library"), ("verbatim", "text")])
def test_words_are_words(code, name, value):
    wrong = [f": {code} with {name} {value!r}"] if name else []
    assert list(misfits(message(code, **({name: value} if name else {})))) == wrong


def test_what_fits_passes_and_a_value_that_is_not_there_does_not():
    assert list(misfits(message("layers_in", count=2, kind=[verbatim("int8"), "int16"]))) == []
    assert list(misfits(message("layers_in", count=2))) == [": layers_in without kind"]
    assert list(misfits(Message("noisy"))) == [": noisy without cv"]


def test_messages_in_messages_are_seen_with_their_place():
    said = {"notes": [message("with_words", reason=message("noisy", cv=[]), words="so")]}
    assert list(misfits(said)) == ["notes[0].reason: noisy with cv []"]


@pytest.mark.parametrize("said", [message("not_yet_known", of=[]), message("noisy", cv=[], share=None)], ids=str)
def test_a_sentence_of_another_version_may_hold_anything(said):
    assert list(misfits(said)) == []


def test_a_file_of_this_format_is_refused_and_one_of_before_is_read():
    content = as_json(message("noisy", cv=[]))
    with pytest.raises(DataError, match=r"noisy with cv \[\]"):
        checked(Message, content, "there")
    assert checked(Message, content, "there", complete=False) == message("noisy", cv=[])


def test_numbers_are_told_apart_by_names_that_catalogues_have():
    from roundoff.results.message import Words

    text = "".join(Words("en").catalogue.values())
    assert [name for name in NUMBERS if f"{{{name}" not in text] == []
