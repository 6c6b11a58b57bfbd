"""`roundoff verify`: whether a shipped folder is what was shipped."""

from __future__ import annotations

import argparse
from pathlib import Path

from roundoff.cli.terminal.console import Commands


def add(commands: Commands) -> None:
    """The command `verify`."""
    parser = commands.add_parser(
        "verify",
        help="check a folder that was shipped: every byte, and the chain from the images to the verdict",
        description="Recomputes every hash in ship.json; a changed, missing or further file, and a chain that does not "
        "hold, is an error that names it (exit code 2).",
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="the folder")
    parser.add_argument("--seal", metavar="SHA256", help="what `roundoff ship` printed, from a place that you trust")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Verify, and say what holds."""
    from roundoff.shipping.verify import verify

    shipment = verify(given.directory, given.seal)
    print(f"whole: {shipment.cell}, {len(shipment.files)} files; {' → '.join(link.name for link in shipment.chain)}")
    print(f"seal:  {shipment.seal}")
    return 0
