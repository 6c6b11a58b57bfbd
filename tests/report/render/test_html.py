"""The HTML loads nothing, is well formed, and escapes what it is given."""

from html.parser import HTMLParser

from roundoff.report.render.document import Download, Downloads, Field, Heading, Page, Paragraph, Table, row
from roundoff.report.render.html import html_from_blocks

VOID = {"img", "meta", "br", "hr", "link", "input", "source"}


class Structure(HTMLParser):
    """Open tags, and everything that a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.open, self.fetched, self.tags, self.ids = [], [], [], []
        self.tables = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.fetched += [given[name] for name in ("src", "srcset", "href", "data", "poster", "action") if name in given]
        if tag == "table":
            self.tables.append({"heads": 0, "widths": []})
        if tag == "tr":
            self.tables[-1]["widths"].append(0)
        if tag in ("td", "th"):
            self.tables[-1]["widths"][-1] += int(given.get("colspan", 1))
            self.tables[-1]["heads"] += given.get("scope") == "col"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def html_of(whole_report):
    return (whole_report / "report.html").read_text(encoding="utf-8")


def test_tags_are_balanced(whole_report):
    assert Structure(html_of(whole_report)).open == []


def test_nothing_is_fetched(whole_report):
    text = html_of(whole_report)
    structure = Structure(text)
    assert structure.fetched
    inside = ("#", "data:image/", "data:text/csv", "data:application/json")
    assert [link[:40] for link in structure.fetched if not link.startswith(inside)] == []
    style = text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in structure.tags)


def test_inlined_plots_fetch_nothing(whole_report):
    from base64 import b64decode

    sources = [given["src"] for tag, given in Structure(html_of(whole_report)).tags if tag == "img"]
    plots = [b64decode(source.split(",")[1]).decode() for source in sources if "svg+xml" in source]
    assert plots
    for plot in plots:
        linked = [part.split('"')[0] for part in plot.split('href="')[1:]]
        assert all(link.startswith(("#", "data:")) for link in linked)


def test_tables_have_heads_and_even_rows(whole_report):
    tables = Structure(html_of(whole_report)).tables
    assert tables
    for table in tables:
        assert table["heads"] == table["widths"][0]
        assert set(table["widths"]) == {table["heads"]}


def test_images_have_words_and_ids_are_unique(whole_report):
    structure = Structure(html_of(whole_report))
    assert all(given.get("alt") for tag, given in structure.tags if tag == "img")
    assert len(structure.ids) == len(set(structure.ids))


def test_language_is_declared(whole_report):
    assert f'<html lang="{whole_report.name}">' in html_of(whole_report)


def test_texts_are_escaped():
    page = Page()
    evil = "<script>alert('x')</script> & co"
    page.add(Heading(1, evil, "top"), Paragraph(evil), Table(evil, (evil,), (row(Field(evil)),)))
    text = html_from_blocks(page.blocks, "en", page.drawings)
    structure = Structure(text)
    assert "script" not in [tag for tag, _ in structure.tags]
    assert structure.open == []
    assert text.count("&lt;script&gt;") >= 4


def test_a_citation_is_in_parts_that_no_screen_breaks():
    page = html_from_blocks([Heading(1, "t", "t"), Paragraph("roundoff 0.1.0, 2026-11-29.", "cite")], "en", {})
    assert '<p class="cite"><span>roundoff 0.1.0,</span> <span>2026-11-29.</span> </p>' in page


def test_downloads_do_not_run_together():
    files = (Download("figures.csv", "text/csv", "a"), Download("figures.json", "application/json", "{}"))
    page = html_from_blocks([Heading(1, "t", "t"), Downloads("Inside:", files)], "en", {})
    assert ">figures.csv</a>, <a" in page
