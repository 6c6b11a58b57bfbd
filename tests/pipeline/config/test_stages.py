"""Stages as DVC starts them, beside a params.yaml and nothing else: an error in words, exit code 1, no traceback."""

import os
import subprocess
import sys

import pytest

from tests.support.configuration import CONF
from tests.support.tracing import TRACED

pytestmark = pytest.mark.slow  # a process for each setting

ROOT = CONF.parent
GOOD = (ROOT / "params.yaml").read_text()


def run(folder, stage, *words):
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, str(ROOT / "stages" / f"{stage}.py"), *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("stage", "params", "words", "message"),
    [
        ("probe", GOOD + "\ttab", (), "params.yaml cannot be read: line"),
        ("train", None, (), "params.yaml is not here\n  received: no such file"),
        ("evaluate", GOOD + "seed: 1\n", (), "duplicate key seed"),
        ("build", GOOD, (), "one of fp32, fp16, int8"),
        ("build", GOOD, ("build.precision=../x",), "build.precision is no name for a folder"),
        ("probe", GOOD, ("evaluate.accuracy_only=[{_target_:os.mkdir,path:made}]",), "_target_ may not stand here"),
        ("report", GOOD.replace("\nverdict:", "\nverdict:\nverdicts:"), (), "verdict is no section"),
        ("probe", GOOD, ("seed=${nowhere}",), "seed leads to no value"),
        ("prepare", GOOD, ("dataset.size=100000",), "dataset.size is too large"),
        ("probe", GOOD, ("paths.prepared=.",), "paths.prepared"),
    ],
)
def test_a_wrong_setting_stops_the_stage(tmp_path, stage, params, words, message):
    if params is not None:
        (tmp_path / "params.yaml").write_text(params)
    ended = run(tmp_path, stage, "-cn", "frozen", *words)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert TRACED or "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == (["params.yaml"] if params is not None else [])
