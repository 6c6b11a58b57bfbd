"""Arrays read from .npy and .npz files: of one type, as many values as there are bytes for, and nothing unpickled."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from roundoff.errors import DataError
from roundoff.system.plain_files import refuse_special

SUFFIX = ".npy"
# What NumPy, zipfile and the parser of a header raise on bytes that were cut, changed or made up
BROKEN = (
    *(OSError, ValueError, EOFError, RuntimeError, SyntaxError, TypeError, OverflowError, MemoryError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


def mapped_array(path: Path, dtype: str, dimensions: int, stage: str) -> NDArray[Any]:
    """The array in an .npy file, memory-mapped read-only; DataError unless it is of that type and so many dimensions.

    `stage` is the one that writes it, for the error.
    """
    expected = f"{dtype} in {dimensions} dimensions, as the {stage} stage writes it"
    with _in_words(path, expected, stage):
        array = np.lib.format.open_memmap(path, mode="r")
        if str(array.dtype) != dtype or array.ndim != dimensions or not array.flags.c_contiguous:
            raise ValueError(f"{array.dtype} {list(array.shape)}{'' if array.flags.c_contiguous else ', transposed'}")
        if path.stat().st_size != array.offset + array.nbytes:
            raise ValueError(f"{path.stat().st_size} bytes for {dtype} {list(array.shape)}")
        return array


def array_type(path: Path, stage: str) -> str:
    """The type of the values in an .npy file, by NumPy's name; DataError where there is no such file."""
    with _in_words(path, f"an array, as the {stage} stage writes it", stage):
        return str(np.lib.format.open_memmap(path, mode="r").dtype)


def write_head(file: BinaryIO, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """Begin an .npy file; its values follow in C order, block by block if need be."""
    described = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)


def number_series(path: Path, stage: str) -> dict[str, NDArray[np.float64]]:
    """The arrays of an .npz file by name, float64 [n] each; DataError for anything else in it."""
    with _in_words(path, f"series of numbers, as the {stage} stage writes them", stage):
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(SUFFIX): archive.read(name) for name in archive.namelist()}
        return {name: _series(name, content) for name, content in members.items()}


def _series(name: str, content: bytes) -> NDArray[np.float64]:
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if array.dtype.kind not in "fiu" or array.ndim != 1:
        raise ValueError(f"{name} of {array.dtype} {list(array.shape)}")
    return array.astype(np.float64)


@contextmanager
def _in_words(path: Path, expected: str, stage: str) -> Iterator[None]:
    refuse_special(path)
    try:
        yield
    except BROKEN as error:
        raise unreadable(path, f"{type(error).__name__}: {error}", expected, stage) from error


def unreadable(path: Path, received: str, expected: str, stage: str) -> DataError:
    """The error of a file that `stage` has to write anew."""
    return DataError(
        f"{path} cannot be read", received=received, expected=expected, fix=f"run it again: `dvc repro -f {stage}`"
    )
