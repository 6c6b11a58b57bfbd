"""A page in a headless Chromium that Playwright drives, and what axe-core finds on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.support.present import present

AXE = ("axe_playwright_python", "axe.min.js")
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COUNT = """async (options) => {
  const found = await axe.run(document, options);
  return {passes: found.passes.length,
    violations: found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(" ")}`)};
}"""


def axe_source() -> str:
    """axe-core's source; without it tests are skipped, but in CI they fail: the group `dev` has it."""
    package, name = AXE
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        missing = "no axe-core (pip install axe-playwright-python)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    return (Path(present(present(spec).origin)).parent / name).read_text(encoding="utf-8")


@contextmanager
def opened(
    chromium: str, page: Path, width: int = 1400, *, dark: bool = False, media: Literal["screen", "print"] = "screen"
) -> Iterator[Any]:
    """The page as Playwright sees it, in a window of a width, in light or dark, on a screen or in print."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": width, "height": 900})
        window.emulate_media(media=media, color_scheme="dark" if dark else "light")
        window.goto(page.as_uri())
        yield window
        browser.close()


def violations(window: Any, axe: str) -> list[str]:
    """Each rule of axe-core's that the page breaks, with where."""
    window.evaluate(axe)
    found: dict[str, Any] = window.evaluate(COUNT, {"runOnly": {"type": "tag", "values": TAGS}})
    assert found["passes"] > 20  # it did look
    broken: list[str] = found["violations"]
    return broken
