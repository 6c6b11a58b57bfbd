"""Results of another machine become an experiment: whole, once, and beside the working tree."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from roundoff.cli import main
from roundoff.comparison.collecting.results import OF_RUN
from roundoff.revisions.revision import snapshot
from roundoff.system.files import read_json, write_json
from tests.comparison.conftest import write_run
from tests.support.places import ROOT
from tests.support.present import present
from tests.support.repository import commit, git


def said(capsys, *arguments, code=0):
    assert main(["collect", *map(str, arguments)]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def refs(project):
    return git(project, "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps").split()


def test_results_become_an_experiment_named_after_the_machine(project, tmp_path, capsys):
    there = write_run(tmp_path / "there", machine="far", calibrate="minmax")
    (there / "metrics/notes.txt").write_text("not ours")
    before = git(project, "status", "--porcelain"), git(project, "ls-files", "--stage")
    assert said(capsys, there) == "collected: far, 2 cells, ships int8/ort\n"
    assert (git(project, "status", "--porcelain"), git(project, "ls-files", "--stage")) == before
    assert refs(project) == ["far"]
    assert snapshot(project, "metrics", "far").machine == "far"
    listed = tree_of(project, "far")
    assert "inner/metrics/int8.json" in listed
    assert "inner/platform.json" in listed
    assert "inner/params.yaml" not in listed  # of the run here, which are not those of the run there
    assert not [name for name in listed if name.endswith("notes.txt")]


OF_RUN_HERE = {f"inner/{name}" for name in OF_RUN}


def tree_of(project, name=None):
    at = "HEAD" if name is None else f"refs/exps/{ref_of(project, name)}"
    return git(project, "ls-tree", "-r", "--name-only", "--full-tree", at).splitlines()


def ref_of(project, name):
    head = git(project, "rev-parse", "HEAD")
    return f"{head[:2]}/{head[2:]}/{name}"


def test_the_same_again_is_left_alone_and_other_content_is_refused(project, tmp_path, capsys):
    there = write_run(tmp_path / "there", machine="far")
    said(capsys, there)
    made = git(project, "for-each-ref", "refs/exps")
    assert said(capsys, there).startswith("there already: far")
    write_run(there, machine="far", speed=3.0)
    assert "there is an experiment far with other content" in said(capsys, there, code=2)
    assert git(project, "for-each-ref", "refs/exps") == made
    said(capsys, there, "--name", "far-faster")
    assert refs(project) == ["far", "far-faster"]
    said(capsys, there, "--force")
    found = snapshot(project, "metrics", "far")
    assert found.cells["int8/ort"].batches[1].end_to_end_speedup == 3.0


def test_of_one_name_on_several_commits_that_of_this_commit_is_meant(project, tmp_path, capsys):
    said(capsys, write_run(tmp_path / "there", machine="far"))
    commit(project)
    said(capsys, write_run(tmp_path / "there", machine="far", speed=3.0))
    assert refs(project) == ["far", "far"]
    assert snapshot(project, "metrics", "far").cells["int8/ort"].batches[1].end_to_end_speedup == 3.0


def spoil_platform(there):
    content = read_json(there / "platform.json")
    write_json(there / "platform.json", content | {"id": "elsewhere"})


def spoil_cell(there):
    path = there / "metrics/int8.json"
    path.write_text(path.read_text().replace('"samples": 10000', '"samples": -1'))


def spoil_build(there):
    write_json(there / "metrics/build-int8.json", {"format": 7, "ort": {"status": "half"}})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_platform, "the results are of several machines"),
        (spoil_cell, r"int8\.json \(int8/ort\) holds what cannot be"),
        (spoil_build, r"build-int8\.json \(ort\) holds what cannot be"),
        (lambda there: shutil.rmtree(there / "metrics"), "there are no results to collect"),
        (lambda there: (there / "metrics/noise.csv").write_text("tensor\n1\n"), "noise.csv"),
        (lambda there: (there / "params.yaml").write_text("a: &a 1\nb: *a\n"), "params.yaml cannot be read"),
    ],
)
def test_what_is_not_whole_is_refused_and_leaves_nothing(project, tmp_path, capsys, spoil, words):
    there = write_run(tmp_path / "there", machine="far")
    spoil(there)
    assert re.search(words, said(capsys, there, code=2))
    assert refs(project) == []


def test_a_folder_of_several_runs_names_them(project, tmp_path, capsys):
    for name in ("first", "second"):
        write_run(tmp_path / "of" / name)
    assert "first, second" in said(capsys, tmp_path / "of", code=2)


@pytest.mark.parametrize("name", ["a/b", "a b", "", "-x", "@", "a@{1}", "a..b", "a.lock", "ä", "a\n", "x=1"])
def test_names_that_git_refuses_are_refused(project, tmp_path, capsys, name):
    there = write_run(tmp_path / "there", machine="far")
    assert "cannot have that name" in said(capsys, there, f"--name={name}", code=2)
    assert refs(project) == []


@pytest.mark.parametrize(
    "folder",
    [
        *("", ".", "..", "../metrics", "/metrics", "./metrics", "metrics/.", "metrics//plots"),
        *(".git", ".GIT/metrics", "runs/.git", ".dvc", ".dvc/tmp"),
        *("params.yaml", "params.yaml/metrics", "metrics/fp32.json", "dvc.lock", "src", "src/deep"),
        "run\ns",
    ],
)
def test_a_folder_that_is_none_for_metrics_is_refused(project, tmp_path, capsys, folder):
    (project / "src/deep").mkdir(parents=True)
    (project / "src/deep/source.py").write_text("")
    commit(project)
    there = write_run(tmp_path / "there", machine="far")
    assert "the results cannot be put into that folder" in said(capsys, there, f"--metrics={folder}", code=2)
    assert refs(project) == []


@pytest.mark.parametrize("folder", ["*", ":/", ":(top)metrics"])
def test_a_folder_that_looks_like_a_pattern_is_none(project, tmp_path, capsys, folder):
    said(capsys, write_run(tmp_path / "there", machine="far"), f"--metrics={folder}")
    found = tree_of(project, "far")
    assert "inner/metrics/fp32.json" in found
    assert f"inner/{folder.strip('/')}/fp32.json" in found


@pytest.mark.parametrize("folder", ["metrics/", "runs/metrics"])
def test_another_folder_has_the_results_and_all_else_stays(project, tmp_path, capsys, folder):
    (project / "take.py").write_text("")
    (project / "metrics/.gitignore").write_text("")
    commit(project)
    before = set(tree_of(project))
    said(capsys, write_run(tmp_path / "there", machine="far", speed=3.0), "--metrics", folder)
    place = f"inner/{folder.rstrip('/')}"
    others = {name for name in before if not name.startswith(place) and name not in OF_RUN_HERE}
    found = set(tree_of(project, "far"))
    assert {name for name in found if not name.startswith(place)} == others | {"inner/platform.json"}
    assert snapshot(project, folder, "far").cells["int8/ort"].batches[1].end_to_end_speedup == 3.0


def test_what_git_leaves_out_is_no_experiment(project, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("roundoff.comparison.collecting.place.NO_PARTS", frozenset())
    there = write_run(tmp_path / "there", machine="far")
    assert "git did not take the results as they are" in said(capsys, there, "--metrics=.git", code=2)
    assert refs(project) == []


def test_what_was_kept_of_a_gpu_is_taken(project, capsys):
    platform = read_json(ROOT / "results/h200/resnet8/platform.json")
    assert said(capsys, ROOT / "results/h200/resnet8").startswith(f"collected: {platform['id']}, ")
    found = snapshot(project, "metrics", platform["id"])
    assert found.has_gpu
    kept = read_json(ROOT / "results/h200/resnet8/verdict.json")["recommendations"]["balanced"]["cell"]
    assert present(found.verdict.shipped).cell == kept


@pytest.mark.slow  # DVC, twice
def test_dvc_lists_what_was_collected(project, tmp_path, capsys):
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--subdir"], cwd=project, check=True)
    stage = "stages:\n  measure:\n    cmd: echo\n    outs: [metrics/fp32.json: {cache: false}]\n"
    (project / "dvc.yaml").write_text(f"{stage}metrics: [metrics/fp32.json]\n")
    commit(project)
    said(capsys, write_run(tmp_path / "there", machine="far", speed=3.0))
    shown = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "show", "--json"], cwd=project, capture_output=True, text=True, check=True
    )
    names = [row["name"] for entry in json.loads(shown.stdout) for row in entry["experiments"] or []]
    assert names == ["far"]
    assert subprocess.run([sys.executable, "-m", "dvc", "exp", "apply", "far"], cwd=project).returncode == 0
    assert read_json(project / "platform.json")["id"] == "far"
