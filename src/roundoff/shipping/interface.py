"""What one must know to feed the engine and to read its answers: labels.txt and preprocessing.json."""

from __future__ import annotations

from roundoff.model.base import INPUT_NAME, OUTPUT_NAME
from roundoff.shipping.project import Chosen


def labels_text(cell: Chosen) -> str:
    """The classes' names, a line each, in the order of the logits."""
    return "".join(f"{' '.join(name.splitlines())}\n" for name in cell.manifest.names)


def interface(cell: Chosen) -> dict[str, object]:
    """preprocessing.json: input, output, and what the graph does to pixels by itself: nobody is to do it twice."""
    height, width, channels = cell.manifest.shape
    return {
        "input": {
            "name": INPUT_NAME,
            "dtype": "uint8",
            "shape": ["N", height, width, channels],
            "layout": "NHWC",
            "channel_order": "RGB" if channels == 3 else "gray",
            "range": [0, 255],
            "resize": f"bilinear to {height}x{width}, aspect ratio not kept, after EXIF's orientation",
        },
        "inside_the_graph": cell.trained.preprocessing or "scaling and normalisation of the pixels, as trained",
        "output": {
            "name": OUTPUT_NAME,
            "dtype": "float32",
            "shape": ["N", len(cell.manifest.names)],
            "meaning": "logits, without softmax; the largest is the answer, labels.txt has its name",
        },
    }
