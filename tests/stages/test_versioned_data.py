"""Images that DVC versions, or that lie elsewhere: a change of them runs prepare again, and nothing else does."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.support.places import ROOT


def write_images(folder, per_class=6):
    """Two classes of noise, 8 × 8 pixels, in train/ and test/."""
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("bright", "dark"):
            (folder / split / name).mkdir(parents=True)
            for number in range(per_class):
                write_image(folder / split / name / f"{number}.png", random.integers(0, 256, (8, 8, 3)))
    return folder


def write_image(path, pixels):
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def ran(output):
    return re.findall(r"Running stage '([^']+)'", output)


def watch(project, path):
    project.params("dataset=image_folder", f"dataset.path={path}", "dataset.size=8", "calibrate.images=4")


def prepared(project):
    return json.loads((project.folder / "data/prepared/manifest.json").read_text())["hashes"]


def status(project):
    return json.loads(project.dvc("status", "--json", "prepare").stdout)


def dvc(project, *words):
    run = project.dvc(*words)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def project(make_project):
    return make_project()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images") / "raw")


@pytest.mark.slow  # DVC's commands take two seconds each
def test_a_changed_image_that_dvc_add_versions_is_prepared_anew(project, elsewhere):
    raw = project.folder / "data/raw"
    shutil.copytree(elsewhere, raw)
    dvc(project, "add", "-q", "data/raw")
    watch(project, "data/raw")
    assert ran(project.repro("prepare")) == ["probe", "prepare"]
    before = prepared(project)
    assert ran(project.repro("prepare")) == ["probe"]
    write_image(raw / "train/dark/0.png", np.full((8, 8, 3), 7))
    dvc(project, "add", "-q", "data/raw")
    assert ran(project.repro("prepare")) == ["probe", "prepare"]
    after = prepared(project)
    assert after["train_images.npy"] != before["train_images.npy"]
    assert after["test_images.npy"] == before["test_images.npy"]


@pytest.mark.slow  # as above
def test_what_dvc_update_brings_is_prepared_anew(project, elsewhere):
    dvc(project, "import-url", "-q", str(elsewhere), "data/imported")
    watch(project, "data/imported")
    project.repro("prepare")
    before = prepared(project)
    write_image(elsewhere / "test/dark/0.png", np.full((8, 8, 3), 9))
    assert ran(project.repro("prepare")) == ["probe"]  # until it is asked for
    dvc(project, "update", "-q", "data/imported.dvc")
    assert ran(project.repro("prepare")) == ["probe", "prepare"]
    assert prepared(project)["test_images.npy"] != before["test_images.npy"]


@pytest.mark.slow  # as above
@pytest.mark.parametrize("zipped", [False, True])
def test_images_outside_of_the_project_are_watched(project, tmp_path, zipped):
    folder = write_images(tmp_path / "raw")
    path = tmp_path / "raw.zip" if zipped else folder
    packed(folder, path)
    watch(project, path)
    project.repro("prepare")
    assert "prepare" not in status(project)
    write_image(folder / "train/bright/3.png", np.full((8, 8, 3), 200))
    packed(folder, path)
    assert status(project)["prepare"] == [{"changed deps": {str(path): "modified"}}]


def packed(folder, path):
    if path.suffix == ".zip":
        shutil.make_archive(str(path.with_suffix("")), "zip", folder)


@pytest.mark.slow  # as above
def test_images_that_are_not_there_are_told_before_dvc_calls_them_a_dependency(project):
    watch(project, "/nowhere/images")
    run = project.dvc("repro", "prepare")
    assert run.returncode != 0
    assert "error: dataset.path /nowhere/images does not exist" in run.stdout + run.stderr


def test_prepare_depends_on_what_the_dataset_watches():
    assert "      - ${dataset.watch}" in (ROOT / "dvc.yaml").read_text().split("  train:\n")[0]
