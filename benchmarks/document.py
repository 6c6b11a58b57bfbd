"""Put a generated block into a document, between the comments `<!-- NAME -->` and `<!-- /NAME -->`."""

from __future__ import annotations

from pathlib import Path

from roundoff.system.files import write_text


def replace_block(path: Path, name: str, content: str) -> None:
    """Rewrite `path` atomically with `content` in the block `name`; raises ValueError unless it has that block once."""
    text = path.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"{path} needs {start} and {end}, once each")
    before, rest = text.split(start)
    after = rest.split(end)[1]
    write_text(path, f"{before}{start}\n{content}\n{end}{after}")
