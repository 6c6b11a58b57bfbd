"""params.yaml as somebody left it: what is wrong, in which line, and what mends it."""

import os

import pytest

from roundoff.errors import ConfigError, DataError
from roundoff.pipeline.config.params_file import check_params_file
from tests.support.configuration import CONF

GOOD = (CONF.parent / "params.yaml").read_text()
LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
BROKEN: dict[str, tuple[str | bytes, str]] = {
    "tab": (GOOD.replace("  opset", "\topset"), r"line \d+(.|\n)*'opset: 18'"),
    "open quote": (GOOD.replace("platform.json", '"platform.json'), r"line \d+"),
    "duplicate key": (GOOD + "seed: 1\n", r"line \d+(.|\n)*duplicate key seed"),
    "not UTF-8": (GOOD.encode() + b"# caf\xe9\n", r"line \d+(.|\n)*0xe9 is no UTF-8"),
    "another encoding": (GOOD.encode("utf-16"), "is no UTF-8"),
    "billion laughs": (LAUGHS + GOOD, r"line 2(.|\n)*the alias \*a"),
    "contains itself": ("a: &a [*a]\n" + GOOD, r"line 1(.|\n)*the alias \*a"),
    "empty": ("", "the file is empty"),
    "comment": ("# nothing\n", "the file is empty"),
    "list": ("- a\n", "line 1(.|\n)*no section"),
    "value": ("hello\n", "line 1(.|\n)*no section"),
    "deep": ("a: " + "[" * 5000, "more than 32 levels"),
    "code": (GOOD + "x: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    "null key": (GOOD + "null: 3\n", "key type"),
    "half an interpolation": (GOOD.replace("seed: 0\n", "seed: ${\n", 1), "no viable alternative"),
    "control character": (GOOD + "x: \x01\n", r"line \d+(.|\n)*special characters"),
    "two documents": (GOOD + "---\na: 1\n", "single document"),
    "endless number": (GOOD + "x: " + "9" * 5000 + "\n", "4300 digits"),
    "too large": ("#" * 2_000_000, "more than 1000000"),
    "Hydra's own node": (GOOD + "hydra: {callbacks: {x: {_target_: os.getcwd}}}\n", "hydra is Hydra's own"),
    "defaults": ("defaults: [dataset/digits]\n" + GOOD, "defaults is Hydra's own"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_composed_is_refused(tmp_path, name):
    content, message = BROKEN[name]
    path = tmp_path / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=rf"params\.yaml cannot be read(.|\n)*(?:{message})(.|\n)*fix: +run `make"):
        check_params_file(path)


def test_what_make_params_writes_is_good(tmp_path):
    check_params_file(CONF.parent / "params.yaml")
    with pytest.raises(ConfigError, match=r"is not here(.|\n)*no such file in (.|\n)*go to the checkout"):
        check_params_file(tmp_path / "params.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        check_params_file(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_would_never_end_is_not_read(tmp_path, make):
    make(tmp_path / "params.yaml")
    with pytest.raises(DataError, match="a pipe, a socket or a device"):
        check_params_file(tmp_path / "params.yaml")
