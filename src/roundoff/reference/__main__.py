"""Rewrites the pages that are made of the code, in a folder: `python -m roundoff.reference docs`."""

from __future__ import annotations

import sys
from pathlib import Path

from roundoff.reference.pages import pages
from roundoff.system.files import write_text

if __name__ == "__main__":
    for name, text in pages(Path()).items():
        write_text(Path(sys.argv[1]) / name, text)
