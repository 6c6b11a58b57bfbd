"""dvc.yaml with its outputs, parameters and artifacts, but for its commands, which write a line each."""

import os
import re
import shutil

import yaml

from tests.stages.conftest import Project
from tests.support.places import ROOT

COPIED = (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "params.yaml")


class Hollow(Project):
    """A project whose stages write a line into each of their outputs."""

    def __init__(self, folder):
        self.folder, self.env = folder, environment(folder)
        for name in COPIED:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        shutil.copytree(ROOT / "conf", folder / "conf")
        (folder / "dvc.yaml").write_text(yaml.safe_dump(hollow(yaml.safe_load((ROOT / "dvc.yaml").read_text()))))
        self.git("init", "-q", "-b", "main")
        for key, value in (("user.name", "t"), ("user.email", "t@example.org")):  # of the tags that gto makes
            self.git("config", key, value)
        self.repro("-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "run")


def environment(folder):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_", "AWS_"))}
    return {**kept, "PYTHONPATH": str(folder / "src"), "HOME": str(folder.parent)}


def hollow(pipeline):
    stages = {}
    for name, stage in pipeline["stages"].items():
        if "foreach" in stage:
            continue
        outs = [
            next(iter(out)) if isinstance(out, dict) else out for out in (*stage["outs"], *stage.get("metrics", []))
        ]
        deps = [dep for dep in stage["deps"] if dep.startswith("${paths.")]
        stages[name] = {**stage, "deps": deps, "cmd": [line for out in outs for line in written(name, out)]}
    return {"stages": stages, "artifacts": pipeline["artifacts"]}


def written(stage, out):
    is_file = re.search(r"\.\w+$|onnx\}|platform\}|calibration\w*\}|curves\}|noise\}|checked\}", out)
    place = out if is_file else f"{out}/engine"
    return [f"mkdir -p $(dirname {place})", f"echo {stage} > {place}"]
