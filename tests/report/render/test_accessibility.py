"""The page in a real browser, for everyone: axe-core finds nothing on phone, tablet, desktop, in the dark, in print."""

import pytest

from tests.support.accessibility import axe_source, opened, violations

pytestmark = pytest.mark.slow  # drives a browser
STUCK = """() => {
  const card = document.querySelector("#precision ~ .scroll tbody tr");
  const name = card.querySelector("th"), box = card.getBoundingClientRect();
  window.scrollBy(0, box.top + box.height / 2);
  return [card.getBoundingClientRect().top, name.getBoundingClientRect().top, getComputedStyle(card).display];
}"""
OPEN = '() => document.querySelectorAll("details").forEach((each) => { each.open = true; })'


@pytest.fixture(scope="module")
def axe():
    return axe_source()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("width", "media"), [(390, "screen"), (800, "screen"), (1400, "screen"), (1400, "print")], ids=str
)
def test_axe_finds_no_violation(chromium, axe, whole_report, width, media, dark):
    with opened(chromium, whole_report / "report.html", width, dark=dark, media=media) as window:
        window.evaluate(OPEN)
        assert violations(window, axe) == []


def test_axe_finds_what_is_wrong(chromium, axe, whole_report):
    with opened(chromium, whole_report / "report.html") as window:
        window.evaluate("() => document.querySelector('img').removeAttribute('alt')")
        assert [found for found in violations(window, axe) if found.startswith("image-alt")]


def test_rows_are_cards_on_a_phone_whose_name_stays_in_sight(chromium, axe, whole_report):
    with opened(chromium, whole_report / "report.html", 390) as window:
        card, name, display = window.evaluate(STUCK)
    assert display == "block"
    assert card < -10
    assert name >= -1


def test_what_ships_its_facts_and_the_plot_are_on_the_first_screen(chromium, axe, whole_report):
    with opened(chromium, whole_report / "report.html", 1400) as window:
        bottom = "(name) => document.querySelector(name).getBoundingClientRect().bottom"
        places = [window.evaluate(bottom, name) for name in ("p.lead", ".facts", ".beside figure img")]
    assert max(places) < 900
