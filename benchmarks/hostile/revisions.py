"""dvc.lock, and metrics as `roundoff diff` and `roundoff check` read them, here and at other commits."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from numpy.random import Generator

from benchmarks.hostile.case import Case, same
from benchmarks.hostile.tampering import (
    Content,
    Tampered,
    broken_json,
    changed,
    replaced,
    wrong_values,
)

IDENTITY = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
LOCK = "dvc.lock"
GOOD_LOCK = b"""schema: '2.0'
stages:
  prepare:
    cmd: python stages/prepare.py
    outs:
    - path: data/prepared
      hash: md5
      md5: 0123456789abcdef0123456789abcdef.dir
  evaluate:
    cmd: python stages/evaluate.py
    deps:
    - path: data/prepared
      hash: md5
      md5: 0123456789abcdef0123456789abcdef.dir
    outs:
    - path: metrics/fp32.json
      hash: md5
      md5: 0123456789abcdef0123456789abcdef
"""


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """Locks and verdicts, in the workspace and committed."""
    untouched = same(_compared(project, LOCK, GOOD_LOCK, False))
    for how, content in _locks():
        for committed in (False, True):
            attempt = partial(_attempt, project, LOCK, content, committed)
            yield Case(LOCK, f"{how}{', committed' if committed else ''}", attempt, untouched)
    for name in ("verdict", "int8"):
        file = f"metrics/{name}.json"
        good = (project / file).read_bytes()
        told = json.loads(good)
        contents = [*broken_json(good, random, cuts=2), *wrong_values(told, random, 20), *_verdicts(name, told)]
        for number, (how, content) in enumerate(contents):
            if content is not None:
                attempt = partial(_attempt, project, file, content, number % 4 == 0)
                yield Case(file, f"{how}{', committed' if number % 4 == 0 else ''}", attempt, untouched)
    for name in ("--help", "-x", "a..b", "HEAD~999", "\x00", "refs/../x", "x" * 5000, "HEAD:metrics", "@{", "ä b"):
        yield Case("a revision", repr(name)[:40], partial(_of_revision, project, name))


def _attempt(project: Path, file: str, content: Content, committed: bool, folder: Path) -> object:
    return _compared(project, file, content, committed, folder)


def _compared(project: Path, file: str, content: Content, committed: bool, folder: Path | None = None) -> object:
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        at = folder or Path(scratch)
        _repository(project, at)
        replaced(at, file, content)
        if committed:
            _commit(at)
        return _read(at, "HEAD")


def _repository(project: Path, folder: Path) -> None:
    (folder / "metrics").mkdir(exist_ok=True)
    for path in (project / "metrics").glob("*.json"):
        (folder / "metrics" / path.name).write_bytes(path.read_bytes())
    (folder / LOCK).write_bytes(GOOD_LOCK)
    subprocess.run(["git", "init", "-q", "-b", "main", "."], cwd=folder, check=True)
    _commit(folder)


def _commit(folder: Path) -> None:
    for words in (("add", "-A"), ("commit", "-q", "--allow-empty", "-m", "m")):
        subprocess.run(["git", *IDENTITY, *words], cwd=folder, check=True)


def _read(folder: Path, revision: str) -> object:
    """What diff and check look at, of the workspace and of a revision."""
    from roundoff.results.checked import as_json
    from roundoff.revisions.revision import snapshot
    from roundoff.revisions.revision_context import revision_context

    found = []
    for name in (None, revision):
        one = snapshot(folder, "metrics", name)
        context, judged = revision_context(folder, "metrics", one), one.verdict
        figures = {key: [as_json(cell.accuracy), as_json(cell.batches)] for key, cell in one.cells.items()}
        verdicts = {key: as_json(judged.cells[key]) for key in one.cells}
        found.append([figures, verdicts, as_json(judged.shipped), as_json(judged.target), context.prepared])
    return found


def _of_revision(project: Path, name: str, folder: Path) -> object:
    _repository(project, folder)
    return _read(folder, name)


def _locks() -> Iterator[Tampered]:
    yield "a list", b"- 1\n"
    yield "no YAML", b"a: [\n"
    yield "binary", bytes(range(256))
    yield "a tag that calls", b"!!python/object/apply:os.system ['true']\n"
    for stages in ("5", "[]", "text", "{prepare: 5}", "{prepare: {outs: 5}}", "{prepare: {outs: [5]}}"):
        yield f"stages: {stages}", f"stages: {stages}\n".encode()
    for out in ("{md5: 1}", "{path: 5, md5: 6}", "{path: ../../x, md5: ../../y}", "{path: [a], md5: b}"):
        yield f"an output {out}", f"stages: {{prepare: {{outs: [{out}]}}}}\n".encode()
    yield "aliases that multiply", b"a: &a [1,1]\nb: &b [*a,*a]\nstages: {x: {outs: *b}}\n"
    yield "a key twice", GOOD_LOCK + GOOD_LOCK


def _verdicts(name: str, told: dict[str, Any]) -> Iterator[Tampered]:
    if name != "verdict":
        return
    yield changed(told, ["recommendations", "evil"], {"cell": "x"})
    yield changed(told, ["recommendations", "balanced"], {"cell": 5})
    yield changed(told, ["cells", "int8/onnxruntime", "verdict"], "excellent")
    yield changed(told, ["cells", "nothing"], told["cells"]["int8/onnxruntime"])
    yield changed(told, ["target", "batch_size"], -1)
    yield changed(told, ["front"], ["no cell"])
    yield changed(told, ["reference"], "no cell")
