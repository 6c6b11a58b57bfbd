"""The prepared images, labels and manifest, as train, calibrate and evaluate read them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.random import Generator

from benchmarks.hostile.arrays import broken_npy, unpickled
from benchmarks.hostile.case import Case, Lost
from benchmarks.hostile.tampering import Tampered, broken_json, changed, found, tampered_cases, wrong_values

FOLDER = "data/prepared"
MANIFEST = f"{FOLDER}/manifest.json"
USED = ("classes", "shape", "counts", "duplicates", "channel_mean", "channel_std", "seed", "calibration_indices")
FILES = ("train_images", "train_labels", "test_images", "test_labels")


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """Arrays and manifests, tampered with."""
    untouched = read(project)
    for name in FILES:
        file = f"{FOLDER}/{name}.npy"
        contents = broken_npy((project / file).read_bytes(), random)
        yield from tampered_cases(project, file, contents, read, untouched)
    good = (project / MANIFEST).read_bytes()
    manifest = json.loads(good)
    yield from tampered_cases(project, MANIFEST, broken_json(good, random), read, untouched)
    few = {key: value for key, value in manifest.items() if key != "calibration_indices"}
    values = ((how, _with_indices(content, manifest)) for how, content in wrong_values(few, random, 40) if content)
    yield from tampered_cases(project, MANIFEST, values, read, untouched)
    yield from tampered_cases(project, MANIFEST, impossible(manifest), read, untouched)


def _with_indices(content: bytes, manifest: dict[str, Any]) -> bytes:
    """Drawn from all places, nearly all would be indices."""
    start = content.replace(b"\n}", b"", 1) if not content.endswith(b"\n}") else content[:-2]
    return start + f',\n  "calibration_indices": {manifest["calibration_indices"]}\n}}'.encode()


def read(folder: Path) -> dict[str, object]:
    """What the stages take of a prepared dataset."""
    from roundoff.calibration.observing.calibrate import check_images
    from roundoff.calibration.observing.guards import enforce
    from roundoff.dataset.base import Prepared
    from roundoff.measurement.accuracy import chance_level
    from roundoff.measurement.evaluate import _test_set
    from roundoff.results.checked import as_json

    prepared = Prepared(found(folder, FOLDER))
    train, test, manifest = prepared.split("train"), prepared.split("test"), prepared.manifest
    indices = prepared.calibration_indices(64)
    enforce(check_images(train.images, indices, prepared))
    digest = hashlib.sha256()
    for array in (train.images, train.labels, test.images, test.labels, prepared.calibration_images(64)):
        digest.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    if unpickled(folder):
        raise Lost("something was unpickled")
    told = {name: as_json(getattr(manifest, name)) for name in USED}
    return {
        **told,
        "data": digest.hexdigest(),
        "test_set": _test_set(prepared),
        "chance": chance_level(test.labels, 10),
    }


def impossible(manifest: dict[str, Any]) -> Iterator[Tampered]:
    """What no preparation writes."""
    indices = manifest["calibration_indices"]
    yield changed(manifest, ["calibration_indices"], [10**6, *indices[1:]])
    yield changed(manifest, ["calibration_indices"], [-1, *indices[1:]])
    yield changed(manifest, ["calibration_indices"], [indices[0]] * len(indices))
    yield changed(manifest, ["calibration_indices"], indices[:3])
    yield changed(manifest, ["calibration_indices"], [])
    yield changed(manifest, ["calibration_indices"], [0.5, *indices[1:]])
    yield changed(manifest, ["calibration_indices"], None)
    yield changed(manifest, ["classes"], manifest["classes"][:-1])
    yield changed(manifest, ["classes"], [*manifest["classes"], "more"])
    yield changed(manifest, ["classes"], [manifest["classes"][0]] * len(manifest["classes"]))
    yield changed(manifest, ["classes"], [])
    for shape in ([16, 16], [16, 16, 1], [0, 16, 3], [16, 17, 3], [16, 16, 3, 1], []):
        yield changed(manifest, ["shape"], shape)
    yield changed(manifest, ["counts", "train"], 971)
    yield changed(manifest, ["counts", "test"], 0)
    yield changed(manifest, ["hashes"], {})
    yield changed(manifest, ["hashes", "test_images.npy"], "0" * 64)
    yield changed(manifest, ["hashes", "train_labels.npy"], "gone")
    yield changed(manifest, ["hashes", "../../platform.json"], "0" * 64)
    yield changed(manifest, ["duplicates"], {"count": 5, "train_indices": []})
    yield changed(manifest, ["duplicates", "train_indices"], [10**9])
    yield changed(manifest, ["channel_mean"], [1.0])
    yield changed(manifest, ["channel_std"], [-1.0, -1.0, -1.0])
    yield changed(manifest, ["channel_mean"], [1e300] * 3)
    yield changed(manifest, ["class_counts", "test", "0"], 0)
