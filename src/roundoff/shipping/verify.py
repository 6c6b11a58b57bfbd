"""`roundoff verify`: whether a shipped folder is, byte for byte, what was shipped, and its chain holds."""

from __future__ import annotations

from pathlib import Path

from roundoff.cells.sidecar import SIDECAR
from roundoff.errors import RoundoffError
from roundoff.shipping.chain import DATA, VERDICT, chain_of
from roundoff.shipping.manifest import NAME, Shipment, broken, files_of, read_shipment


def verify(directory: Path, seal: str | None = None) -> Shipment:
    """The folder's ship.json, after recomputing every hash in it.

    `seal` is what is known of it from elsewhere. Raises RoundoffError for a file that is missing, superfluous or
    changed, a chain that does not hold, and another seal.
    """
    shipment = read_shipment(directory)
    if seal is not None and seal != shipment.seal:
        raise broken(directory, f"the seal {shipment.seal}", f"{seal}, as was asked for")
    _require_files(directory, shipment)
    try:
        chain = chain_of(directory, shipment.cell, shipment.artifact, shipment.engine)
    except RoundoffError as error:
        raise broken(directory, f"{error.what}: {error.received}", str(error.expected)) from error
    if chain != shipment.chain:
        links = ", ".join(link.name for link in shipment.chain if link not in chain) or "one link more"
        raise broken(directory, f"a chain that does not hold at: {links}", "the chain of the files that are here")
    return shipment


def _require_files(directory: Path, shipment: Shipment) -> None:
    for name in (DATA, VERDICT, SIDECAR, shipment.engine):
        if name not in shipment.files:
            raise broken(
                directory, f"{NAME} without {name} among its files", f"the hash of {name}, which belongs to it"
            )
    found = files_of(directory)
    for name, known in shipment.files.items():
        if name not in found:
            raise broken(directory, f"no {name}", f"{name}, {known.bytes} bytes")
        if found[name] != known:
            received = f"{name}, {found[name].bytes} bytes of SHA-256 {found[name].sha256}"
            raise broken(directory, received, f"{known.bytes} bytes of SHA-256 {known.sha256}")
    if extra := sorted(found.keys() - shipment.files.keys()):
        raise broken(directory, f"{', '.join(extra[:5])}, which was not shipped", "the shipped files alone")
