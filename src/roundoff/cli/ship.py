"""`roundoff ship`: a cell and all that belongs to it in one folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from roundoff.cli.terminal.console import Commands, add_place
from roundoff.results.message import LANGUAGES
from roundoff.shipping.manifest import Layout


def add(commands: Commands) -> None:
    """The command `ship`."""
    parser = commands.add_parser(
        "ship",
        help="put what ships into a folder, with its model card and hashes",
        description="Writes the engine, its graph, labels, preprocessing, calibration table, verdict, licence and a "
        "model card into DIR, whole or not at all; ship.json has the SHA-256 of each, and `roundoff verify` checks it.",
        epilog="a folder that holds anything else than what was shipped there before is not replaced",
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "--cell",
        metavar="CELL",
        help="the cell, such as int8/litert, or a use, `balanced` or `fastest` (default: what the report says to ship)",
    )
    parser.add_argument(
        "--layout",
        choices=get_args(Layout),
        default="plain",
        help="triton: a model repository for Triton (default: %(default)s)",
    )
    parser.add_argument("--license", type=Path, metavar="FILE", help="the model's licence (default: LICENSE)")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="of the model card (default: %(default)s)")
    add_place(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Ship, and say what is there and its seal."""
    from roundoff.shipping.pack import Order, ship

    order = Order(given.directory, given.cell, given.layout, given.license, given.language)
    shipment = ship(given.project, given.metrics, order)
    size = sum(file.bytes for file in shipment.files.values()) / 1e6
    print(f"shipped: {shipment.cell} in {given.directory}, {len(shipment.files)} files, {size:.3g} MB")
    print(f"seal:    {shipment.seal}")
    return 0
