"""A headless Chromium, where there is one."""

import os
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@pytest.fixture(scope="module")
def chromium():
    """The browser; without one the tests are skipped, but in CI they fail: .ci/run has to install it."""
    if CHROMIUM is None:
        missing = "no Chromium on PATH (Debian: apt-get install chromium)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    return CHROMIUM


def browse(chromium, tmp_path, *arguments):
    command = [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=120, check=True)
