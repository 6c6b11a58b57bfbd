"""What the command line is given: shipped folders, runs to ship or to collect, settings, conf/ and dvc.yaml."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import yaml
from numpy.random import Generator

from benchmarks.commands import ROOT
from benchmarks.hostile.case import Case, same
from benchmarks.hostile.tampering import (
    Anything,
    Tampered,
    broken_bytes,
    broken_json,
    changed,
    mirrored,
    replaced,
    wrong_values,
)

CELL, SHIPPED = "int8/onnxruntime", "shipped"
SIDECAR = f"models/engines/{CELL}/cell.json"
OF_RUN = ("metrics/int8.json", "metrics/verdict.json", "data/prepared/manifest.json", "models/calibration/table.json")
NOT_UTF8 = os.fsdecode(b"no-\xff-utf8")
SETTINGS = (
    *("paths=null", "paths=3", "paths=[]", "paths.timings=null", "paths.timings=[1]", "paths.metrics=3", "~paths"),
    *("~verdict", "verdict=null", "verdict=5", "verdict.min_relative_accuracy=nan", "verdict.min_relative_accuracy=9"),
    *("verdict.min_relative_accuracy=null", "verdict._target_=os.system", "hydra=null", "~hydra", "hydra.run=1"),
    *("evaluate=null", "evaluate.batch_sizes=x", "+x=1", "++paths.x=1", "x", "=", "a=", "model=", "model=../x", "~"),
    *("paths={", "paths=[", "'", '"', "\\", "${x}", "seed=${seed}", "verdict.speed_margin=${verdict.speed_margin}"),
    *("--accuracy=nan", "--accuracy=1e-320", "--flips=0.5", "--within=nan", "--within=1e-300", NOT_UTF8),
)
ARGUMENTS = (
    *(("check", "--require", each) for each in ("", "x", "int8/", "/", NOT_UTF8, "int8/onnxruntime/x", "a" * 9999)),
    *(("check", "--against", each) for each in ("", "-x", "a..b", NOT_UTF8, "HEAD~999", "x" * 9999)),
    *(("report", "--no-open", "--metrics", each) for each in ("", "/", "..", NOT_UTF8, "x" * 9999, "/dev/null")),
    *(("verify", each) for each in ("", "/", ".", "/dev/null", "/dev/zero", NOT_UTF8, "x" * 9999)),
    *(("compare", each) for each in ("/dev/null", "/dev/zero", "/nowhere", NOT_UTF8, "x" * 9999)),
    *(("collect", each) for each in ("/dev/null", "/nowhere", ".", NOT_UTF8, "x" * 9999)),
    *(("ship", each, "--license", f"{ROOT}/LICENSE") for each in ("/", ".", "metrics", "/dev/null", "x" * 9999)),
    *(("run", each) for each in ("nothing", "build-", "@", "model=nothing", NOT_UTF8)),
)
Use = Callable[[Path], object]


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """Shipped folders, runs to be shipped, settings and arguments, and the files that say what a pipeline is."""
    yield from _shipped(project, random)
    yield from _to_ship(project, random)
    for setting in SETTINGS:
        yield Case("roundoff plan", ascii(setting)[:60], partial(_asked, project, ("plan", setting)), _is_a_plan)
    for arguments in ARGUMENTS:
        yield Case("roundoff", ascii(" ".join(arguments))[:60], partial(_asked, project, arguments))
    yield from _pipelines(project)


def _shipped(project: Path, random: Generator) -> Iterator[Case]:
    """`roundoff verify` of a folder in which one file is another: the whole one alone is taken."""
    folder = _ship(project)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        good = path.read_bytes()
        contents: Iterator[Tampered] = broken_bytes(good, random)
        if name == "ship.json":
            told = json.loads(good)
            contents = iter([*broken_json(good, random), *wrong_values(told, random, 60), *_other_engines(told)])
        for how, changed_to in (*contents, ("untouched", good)):
            yield Case(f"{SHIPPED}/{name}", how, partial(_verified, folder, name, changed_to), same(_text(folder)))
    more: dict[str, Anything] = {"more.txt": b"more", "pipe": os.mkfifo, "link": partial(_link, folder / "README.md")}
    for name, content in more.items():
        yield Case(f"{SHIPPED}/{name}", "one more", partial(_verified, folder, name, content))


def _other_engines(told: dict[str, object]) -> Iterator[Tampered]:
    for engine in ("../../../../etc/hostname", "/etc/hostname", "nothing/../x", "", ".", "README.md"):
        yield changed(told, ["engine"], engine)


def _to_ship(project: Path, random: Generator) -> Iterator[Case]:
    """`roundoff ship` of a run in which one file is another: the same folder as of the untouched one, or none."""
    untouched = same(_packed(_ship(project)))
    for name in ("metrics/build-int8.json", SIDECAR):
        good = (project / name).read_bytes()
        for how, content in (*broken_json(good, random), *wrong_values(json.loads(good), random, 30)):
            yield Case(name, how, partial(_of, project, name, content, _shipped_anew), untouched)
    for name in OF_RUN:
        for how, content in broken_json((project / name).read_bytes(), random):
            yield Case(name, how, partial(_of, project, name, content, _shipped_anew), untouched)
    for type_ in ("this", "antigravity", "os.path", "nomodule.X", "", "roundoff.backend.base.Backend"):
        content = changed(json.loads((project / SIDECAR).read_bytes()), ["backend", "type"], type_)[1]
        yield Case(SIDECAR, f"backend.type: {type_}", partial(_of, project, SIDECAR, content, _shipped_anew), untouched)
    for how, text in _yaml((project / "params.yaml").read_bytes()):
        yield Case("params.yaml", how, partial(_of, project, "params.yaml", text, _shipped_anew), untouched)


def _pipelines(project: Path) -> Iterator[Case]:
    """conf/ and dvc.yaml, as `roundoff plan` and `roundoff run` read them."""
    named = _stages_of(ROOT)
    uses: dict[str, tuple[Use, Callable[[object], bool]]] = {
        "conf/config.yaml": (partial(_command, ("plan",)), _is_a_plan),
        "conf/verdict/default.yaml": (partial(_command, ("plan",)), _is_a_plan),
        "dvc.yaml": (_stages_of, same(named)),
    }
    for name, (use, right) in uses.items():
        contents = dict(_yaml((ROOT / name).read_bytes()))
        if name == "dvc.yaml":
            del contents["missing"]  # without it the stages run in their order
        for how, content in contents.items():
            yield Case(name, how, partial(_of_checkout, project, name, content, use), right)


def _yaml(good: bytes) -> Iterator[tuple[str, Anything]]:
    wrong: dict[str, Anything] = {
        "empty": b"",
        "null": b"null\n",
        "a list": b"- 1\n",
        "a number": b"7\n",
        "no YAML": b"a: [\n",
        "brackets": b"[" * 3000,
        "Latin-1": b"# \xe9\n" + good,
        "zeros": bytes(64),
        "a tag that calls": b"!!python/object/apply:os.system ['true']\n",
        "aliases that multiply": b"a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n",
        "half of a character": b'a: "\\ud800"\n',
        "a pipe": os.mkfifo,
        "missing": None,
    }
    yield from wrong.items()
    for key in list(yaml.safe_load(good))[:8]:
        for value in ("null", "7", "text", "[1]"):
            lines = [line for line in good.splitlines() if not line.startswith(f"{key}:".encode())]
            yield f"{key}: {value}, and more of it", b"\n".join([f"{key}: {value}".encode(), *lines]) + b"\n"


@cache
def _ship(project: Path) -> Path:
    """The folder of the untouched run's cell, made once for a worker."""
    folder = Path(tempfile.mkdtemp(prefix="roundoff-hostile-shipped-"))
    return _shipped_into(project, folder / SHIPPED)


def _shipped_into(project: Path, folder: Path) -> Path:
    from roundoff.shipping.pack import Order, ship

    ship(project, "metrics", Order(folder, cell=CELL, license=ROOT / "LICENSE"))
    return folder


def _shipped_anew(folder: Path) -> object:
    return _packed(_shipped_into(folder, folder / SHIPPED))


def _packed(folder: Path) -> object:
    """The chain, and the files less the sidecar and the card, which has its words: the libraries of the machine."""
    told = json.loads(_text(folder))
    return told["chain"], {name: file for name, file in told["files"].items() if name not in ("cell.json", "README.md")}


def _text(folder: Path) -> str:
    return (folder / "ship.json").read_text(encoding="utf-8")


def _verified(folder: Path, name: str, content: Anything, place: Path) -> str:
    from roundoff.shipping.verify import verify

    copied = place / SHIPPED
    shutil.copytree(folder, copied)
    replaced(copied, name, content)
    return verify(copied).text()


def _link(target: Path, path: Path) -> None:
    path.symlink_to(target)


def _of(project: Path, name: str, content: Anything, use: Use, folder: Path) -> object:
    mirrored(project, folder)
    replaced(folder, name, content)
    return use(folder)


def _of_checkout(project: Path, name: str, content: Anything, use: Use, folder: Path) -> object:
    mirrored(project / "metrics", _made(folder / "metrics"))
    for part in ("conf", "stages"):
        mirrored(ROOT / part, _made(folder / part))
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    replaced(folder, name, content)
    return use(folder)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _stages_of(folder: Path) -> list[str]:
    from roundoff.pipeline.running import dvc_stages

    return dvc_stages(folder, ["build", "train"])


def _asked(project: Path, arguments: tuple[str, ...], folder: Path) -> str:
    mirrored(project, folder)
    return _command(arguments, folder)


def _command(arguments: tuple[str, ...], folder: Path) -> str:
    """What a command prints; an error as a stage ends with it, a usage that argparse refuses among them."""
    from roundoff.cli import main

    place = () if arguments[0] in ("verify", "run", "compare") else ("--project", str(folder))
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = main([*arguments, *place])
        except SystemExit as ended:
            raise SystemExit(f"error: {errors.getvalue()} fix: see the usage") from ended
    if code == 2:
        raise SystemExit(errors.getvalue())
    return f"{code}: {out.getvalue()}"


def _is_a_plan(printed: object) -> bool:
    """Settings that a plan does not depend on leave it, and others change it: either way it has figures."""
    return str(printed).startswith("0: ") and "images" in str(printed)
