"""Every word of the glossary has a meaning, and what the page says of it is found in its sentences."""

import pytest

from roundoff.report.render.document import Glossary, Page
from roundoff.report.sections.glossary import TERMS, glossary_section
from roundoff.results.message import Words

EN, JA = Words("en"), Words("ja")


def glossary(run, words):
    page = Page()
    glossary_section(page, run.evidence(), words)
    (found,) = (block for block in page.blocks if isinstance(block, Glossary))
    return found


@pytest.mark.parametrize("words", [EN, JA], ids=["en", "ja"])
def test_every_term_has_a_line_and_words_that_lead_to_it(run, words):
    terms = glossary(run, words).terms
    assert len({term.anchor for term in terms}) == len(TERMS)
    assert all(term.name and term.meaning and term.forms for term in terms)


@pytest.mark.parametrize("words", [EN, JA], ids=["en", "ja"])
def test_forms_are_words_of_the_catalogue(words):
    """A form that no sentence has links nothing."""
    sentences = " ".join(text for key, text in words.catalogue.items() if not key.startswith(("forms_", "meaning_")))
    for name in TERMS:
        forms = words(f"forms_{name}").split("|")
        assert any(form.lower() in sentences.lower() for form in forms), name


def test_backends_are_told_by_the_names_of_their_libraries(run):
    meaning = next(term.meaning for term in glossary(run, EN).terms if term.name == "backend")
    assert "litert is LiteRT, once TensorFlow Lite" in meaning
    assert "torch" not in meaning
