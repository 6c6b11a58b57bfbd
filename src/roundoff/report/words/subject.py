"""What was measured, and when: the model's and the data's names, the day, the commit."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.results.message import Words
from roundoff.revisions.read import Evidence

SOURCES = {
    "image folder": "source_image_folder",
    "CIFAR-10 binary archive": "source_cifar10",
    "scikit-learn load_digits": "source_digits",
}
"""What datasets call themselves in the manifest, by the catalogue's key."""
HASH_SHOWN, COMMIT_SHOWN = 12, 7  # characters


def model_name(evidence: Evidence) -> str | None:
    """The model's name; None where the run does not tell it."""
    return evidence.model


def graph_hash(evidence: Evidence) -> str | None:
    """The start of the ONNX graph's hash."""
    graph = evidence.export.onnx_sha256 if evidence.export else None
    return graph[:HASH_SHOWN] if graph else None


def data_name(evidence: Evidence, words: Words) -> str | None:
    """What the dataset is called."""
    source = evidence.manifest.dataset
    return words(SOURCES[source]) if source in SOURCES else source


def origin_words(evidence: Evidence, words: Words) -> Iterator[str]:
    """The day and the commit, as far as they were recorded."""
    origin = evidence.metrics.method.origin
    if origin.date:
        yield origin.date
    if origin.commit:
        key = "origin_changed" if origin.changed else "origin_commit"
        yield words(key, commit=origin.commit[:COMMIT_SHOWN])
