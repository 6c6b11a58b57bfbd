"""The pages, on their own and as the site that `make docs` builds of them."""

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.support.places import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("results/**/*.md")])
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
COPIED = {".md", ".png", ".json", ""}
"""What `make docs` copies; the last one is LICENSE, and a folder, for its README."""
ITEM = re.compile(r"[-*+] |\d+\. ")


def name(path):
    return path.relative_to(ROOT).as_posix()


def navigation(node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        for each in node.values() if isinstance(node, dict) else node:
            yield from navigation(each)


def paragraphs(text):
    """The lines between blank ones, without blocks of code."""
    prose = re.sub(r"^```.*?^```", "\n", text, flags=re.M | re.S)
    return [part.strip("\n").splitlines() for part in prose.split("\n\n")]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_linked_files_exist_and_are_in_the_site(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    files = [(page.parent / link).resolve() for link in links]
    assert [link for link, file in zip(links, files, strict=True) if not file.exists()] == []
    assert [link for link, file in zip(links, files, strict=True) if file.suffix not in COPIED] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_lists_begin_after_a_blank_line(page):
    """Python-Markdown, which the site is made by, takes them for running text otherwise."""
    faults = [
        lines
        for lines in paragraphs(page.read_text(encoding="utf-8"))
        if any(ITEM.match(line) for line in lines[1:]) and not any(ITEM.match(line.lstrip()) for line in lines[:1])
    ]
    assert faults == []


def test_every_page_is_in_the_navigation():
    listed = list(navigation(SITE["nav"]))
    assert [path for path in listed if not (ROOT / path).is_file()] == []
    assert {name(page) for page in ROOT.glob("docs/**/*.md")} <= set(listed)


def test_the_site_is_strict_and_asks_no_network_for_fonts():
    assert SITE["strict"] is True
    assert SITE["theme"]["font"] is False
    assert not {"site_url", "repo_url", "extra_javascript", "extra_css"} & set(SITE)
