"""What the words of the page mean; the page links them from where they stand."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.render.document import Glossary, Heading, Page, Term
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence

TERMS = (
    "cell",
    "backend",
    "reference",
    "rest",
    "engine",
    "load",
    "round",
    "end_to_end",
    "interval",
    "noisy",
    "host_bound",
    "flips",
    "mcnemar",
    "error",
    "sqnr",
    "mse",
    "front",
    "fingerprint",
    "roundoff",
)


def glossary_section(page: Page, evidence: Evidence, words: Words) -> None:
    """A line for each word, those of this run's backends among them."""
    terms = tuple(_term(name, evidence, words) for name in TERMS)
    page.add(Heading(2, words("glossary_heading"), "glossary"), Glossary(terms))


def _term(name: str, evidence: Evidence, words: Words) -> Term:
    values = {"names": words.listed(_backends(evidence, words)), "reference": evidence.reference or words("none")}
    forms = tuple(words(f"forms_{name}").split("|"))
    return Term(words(f"term_{name}"), f"term-{name}", words(f"meaning_{name}", **values), forms)


def _backends(evidence: Evidence, words: Words) -> Iterator[str]:
    """What each backend's name stands for; one that is not ours as it is called."""
    for name in dict.fromkeys(cell.backend for cell in evidence.cells):
        yield words(f"backend_{name}") if words.known(f"backend_{name}") else name
