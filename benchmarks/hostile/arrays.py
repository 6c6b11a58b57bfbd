"""Hostile .npy and .npz files made of good ones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.hostile.tampering import Tampered, broken_bytes

Array = NDArray[Any]
RAN = "ran.txt"


# A pickle that would leave a file behind if anybody ran it
PAYLOAD = f"cposix\nsystem\n(S'touch {RAN}'\ntR.".encode()


def npy(array: Array) -> bytes:
    """The .npy file of an array."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def pickled_npy() -> bytes:
    """An .npy file of one object, which is the payload."""
    file = io.BytesIO()
    header: dict[str, Any] = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + PAYLOAD


def npz(arrays: dict[str, Any]) -> bytes:
    """The compressed .npz file of arrays."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def broken_npy(good: bytes, random: Generator) -> Iterator[Tampered]:
    """Bytes that are no array, and arrays of other types and shapes."""
    array = np.load(io.BytesIO(good))
    yield from broken_bytes(good, random)
    yield "a pickled object in an .npy file", pickled_npy()
    yield "a pickle", PAYLOAD
    yield "an .npz file", npz({"x": array})
    yield "a header of 2^60 rows", good.replace(str(array.shape[0]).encode(), str(2**60).encode(), 1)
    yield "a header of −1 rows", good.replace(str(array.shape[0]).encode(), b"-1", 1)
    yield "a header that is a call", good.replace(b"{'descr'", b"exit(0) ", 1)
    yield "another version of the format", good[:6] + b"\x09\x00" + good[8:]
    for name in ("float64", "int8", "complex64", "bool", "U3", "datetime64[s]", ">i4"):
        yield f"as {name}", npy(_as(array, name))
    yield from _shapes(array)


def _as(array: Array, name: str) -> Array:
    kind = np.dtype(name)
    return array.astype(np.int64).astype(kind) if kind.kind == "M" else array.astype(kind)


def _shapes(array: Array) -> Iterator[Tampered]:
    yield "a row less", npy(array[:-1])
    yield "a row more", npy(np.concatenate([array, array[:1]]))
    yield "no rows", npy(array[:0])
    yield "flat", npy(array.reshape(-1) if array.ndim > 1 else array[:, None])
    yield "one more dimension", npy(array[None])
    yield "a single number", npy(np.array(array.flat[0]))
    if array.ndim > 1:
        yield "a column less", npy(array[..., :-1])
        yield "in Fortran's order, transposed", npy(np.asfortranarray(array.T))
    if array.dtype.kind == "f":
        for name, value in (("NaN", np.nan), ("infinity", np.inf)):
            changed = array.copy()
            changed.flat[7 % array.size] = value
            yield f"{name} in it", npy(changed)
    if array.dtype == np.int64:
        for value in (-1, 10**6, np.iinfo(np.int64).min):
            changed = array.copy()
            changed[3 % len(array)] = value
            yield f"{value} in it", npy(changed)


def broken_npz(good: bytes, random: Generator) -> Iterator[Tampered]:
    """Archives that are cut or changed, with other members, types and shapes."""
    with np.load(io.BytesIO(good)) as opened:
        arrays = {name: opened[name] for name in opened.files}
    yield from broken_bytes(good, random)
    yield "one array in an .npy file", npy(next(iter(arrays.values())))
    yield "no members", npz({})
    yield "a pickled object in it", _with_member(arrays, pickled_npy())
    yield "a member that is no array", _with_member(arrays, b"text")
    yield "a member of 2^60 rows", _with_member(arrays, _huge())
    for name, array in arrays.items():
        rest = {key: value for key, value in arrays.items() if key != name}
        yield f"without {name}", npz(rest)
        yield f"{name} as text", npz({**rest, name: np.array(["a", "b"])})
        yield f"{name} empty", npz({**rest, name: array[:0]})
        yield f"{name} in two dimensions", npz({**rest, name: array[None]})
        for how, value in (("NaN", np.nan), ("−1", -1.0), ("infinity", np.inf)):
            changed = np.array(array, np.float64)
            changed.flat[0] = value
            yield f"{how} in {name}", npz({**rest, name: changed})


def _huge() -> bytes:
    file = io.BytesIO()
    header: dict[str, Any] = {"descr": "<f8", "fortran_order": False, "shape": (2**60,)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + bytes(80)


def _with_member(arrays: dict[str, Array], content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, (name, array) in enumerate(arrays.items()):
            archive.writestr(f"{name}.npy", content if number == 0 else npy(array))
    return file.getvalue()


def unpickled(folder: Path) -> bool:
    """Whether a payload ran."""
    return (folder / RAN).exists() or Path(RAN).exists()
