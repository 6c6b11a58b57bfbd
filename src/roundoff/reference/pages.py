"""The names of the generated pages, and what they say."""

from __future__ import annotations

from pathlib import Path

from roundoff.reference.commands import commands_page
from roundoff.reference.configuration import configuration_page


def pages(project: Path) -> dict[str, str]:
    """The text of each generated page, by its file's name."""
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    return {"configuration.md": configuration_page(project / "conf"), "commands.md": commands_page(makefile)}
