"""A shipped folder that someone has changed, and made to look whole."""

from roundoff.results.checked import as_json, checked
from roundoff.shipping.manifest import NAME, Shipment, read_shipment
from roundoff.system.files import sha256_of


def rewritten(directory, **changes):
    """ship.json made anew over changed files, as one does who wants it to look whole."""
    shipment = read_shipment(directory)
    content = as_json(shipment) | changes
    for name in content["files"]:
        content["files"][name] = {"sha256": sha256_of(directory / name), "bytes": (directory / name).stat().st_size}
    (directory / NAME).write_text(checked(Shipment, content, NAME).sealed().text())
