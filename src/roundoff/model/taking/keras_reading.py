"""Keras files read as a stranger's: a whole archive, no code of its own, or refused in words."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from roundoff.model.taking.keras_two import modernised
from roundoff.model.taking.unloadable import Unloadable

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
LARGEST_BYTES = 1 << 32  # twice what one ONNX file can hold


def loaded(path: Path) -> Any:
    """The model in a .keras file, or of what else Keras reads by its name (.h5); raises Unloadable.

    Never code from the file: a Lambda layer is refused.
    """
    if path.suffix == ".keras" and (wrong := next(_faults(path), None)):
        raise Unloadable(wrong)
    import keras

    with tempfile.TemporaryDirectory(prefix="roundoff-keras-") as scratch:
        try:
            read = modernised(path, Path(scratch)) if path.suffix in (".h5", ".hdf5") else path
            return keras.models.load_model(read, compile=False, safe_mode=True)
        except Unloadable:
            raise
        except Exception as error:  # Keras raises whatever the layers do
            raise Unloadable(f"{type(error).__name__}: {error}") from error


def _faults(path: Path) -> Iterator[str]:
    """What is wrong with the archive, in words; every byte in it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            yield from (f"no {name} in it" for name in MEMBERS if name not in names)
            yield from (f"the member {name!r}, which leads out of it" for name in names if not _inside(name))
            if len(set(names)) != len(names):
                yield "a member twice"
            if (size := sum(member.file_size for member in members)) > LARGEST_BYTES:
                yield f"{size} bytes, unpacked"
            elif broken := archive.testzip():
                yield f"the member {broken!r}, whose content is not what was written"
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        yield f"{type(error).__name__}: {error}"


def _inside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts
