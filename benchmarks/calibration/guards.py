"""What the guards say of calibration images that are wrong in known ways, as a table.

    python -m benchmarks.calibration guards --prepared data/prepared [--document docs/calibration.md]

Runs every guard of the calibrate stage on images of the training split, spoilt one way at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.document import replace_block
from roundoff.calibration.observing.guards import check_coverage, check_duplicates, check_pixels
from roundoff.dataset.base import Prepared

COUNT = 320
IMAGENET_MEAN, IMAGENET_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def cases(prepared: Prepared) -> dict[str, tuple[Any, Any]]:
    """Images [n, H, W, C] and their labels by what is wrong with them."""
    train, test = prepared.split("train"), prepared.split("test")
    picked = prepared.calibration_indices(COUNT)
    images, labels = train.images[picked], train.labels[picked]
    third = np.flatnonzero(train.labels == 3)[:COUNT]
    return {
        f"{COUNT} honest images": (images, labels),
        "10 images": (images[:10], labels[:10]),
        "one class": (train.images[third], train.labels[third]),
        "BGR order": (images[..., ::-1], labels),
        "divided by 255": ((images / 255).astype(np.float32), labels),
        "scaled to -1…1": ((images / 127.5 - 1).astype(np.float32), labels),
        "ImageNet statistics": (((images / 255 - IMAGENET_MEAN) / IMAGENET_STD).astype(np.float32), labels),
        "divided by 255, stored as uint8": ((images / 255).astype(np.uint8), labels),
        "-1…1, stored as uint8": (_cast(images / 127.5 - 1), labels),
        "ImageNet statistics, stored as uint8": (_cast((images / 255 - IMAGENET_MEAN) / IMAGENET_STD), labels),
        "halved (7 bits)": (images // 2, labels),
        "signed bytes taken for unsigned ones": (images ^ 128, labels),
        "linear light instead of sRGB (power 2.2)": (_cast(255 * (images / 255) ** 2.2), labels),
        "negatives (255 - x)": (255 - images, labels),
        "5 test images among them": (np.concatenate([images[:-5], test.images[:5]]), labels),
    }


def _cast(values: Any) -> Any:
    """As C casts floats to bytes: truncated, and negative ones wrapped around."""
    return values.astype(np.int32).astype(np.uint8)


def verdict(images: Any, labels: Any, prepared: Prepared) -> str:
    """Every finding in words, or `nothing`."""
    manifest = prepared.manifest
    findings = [
        *check_pixels(images, manifest.test, prepared.split("test").images),
        *check_coverage(labels, len(manifest.classes), len(images)),
        *check_duplicates(images, prepared.split("test").images),
    ]
    return "; ".join(f"{finding.level}: {finding.message}" for finding in findings) or "nothing"


def main(arguments: Sequence[str]) -> int:
    """Print the table, or put it into the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=Path, required=True, help="the prepare stage's directory")
    parser.add_argument("--document", type=Path, help="put the table there instead of printing it")
    chosen = parser.parse_args(arguments)
    prepared = Prepared(chosen.prepared)
    rows = [f"| {name} | {verdict(*fed, prepared)} |" for name, fed in cases(prepared).items()]
    table = "\n".join(["| what was fed | what the guards say |", "|---|---|", *rows])
    if chosen.document:
        replace_block(chosen.document, "guards", table)
    else:
        print(table)
    return 0
