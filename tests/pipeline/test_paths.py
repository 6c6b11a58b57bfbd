import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from roundoff.errors import ConfigError
from roundoff.pipeline.paths import Paths, check_paths
from tests.support.places import ROOT

TRACKED = (
    "README.md",
    "src/roundoff/cli.py",
    "conf/model/a.yaml",
    "data/notes.csv",
    "metrics/train.json",
    "results/run/plots/curves.png",
    "tests/table.json",
)


@pytest.fixture
def project(tmp_path):
    """A project in git, with default metrics and a link of its data to another disk."""
    root = tmp_path / "project"
    for name in TRACKED:
        write(root / name)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def write(path, text="kept"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def check(root, outputs=None, **changed):
    check_paths(asdict(Paths()) | changed, root, outputs)


def test_the_schema_is_what_conf_has():
    assert OmegaConf.to_container(OmegaConf.load(ROOT / "conf/config.yaml").paths) == asdict(Paths())


def test_the_defaults_pass_in_the_repository_itself():
    check(ROOT)


@pytest.mark.parametrize("key", ["prepared", "predictions", "timings", "engines", "live", "metrics", "plots", "logs"])
@pytest.mark.parametrize(
    "path", ["", " ", ".", "..", "/", "data/..", ".git", ".git/hooks", ".dvc", "src", "conf", "src/roundoff", "tests",
             "results", "README.md", "README.md/x", "data", "~", "~/x", "s3://bucket/x", "a\0b", "a\nb", "x" * 300,
             None, 5, ["a"], "models/onnx/model.onnx", "/dev/null/x", "results/run/plots"],
    ids=str,
)  # fmt: skip
def test_no_folder_goes_where_it_would_cost_something(project, key, path):
    with pytest.raises(ConfigError, match=r"paths\.\w+ cannot be an output[^$]*set paths\.\w+"):
        check(project, **{key: path})


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("trained", "README.md"),
        ("onnx", "src/roundoff/cli.py"),
        ("noise", ".git/config"),
        ("noise", ".git/noise.csv"),
        ("noise", "data/notes.csv"),
        ("calibration", "tests/table.json"),
        ("platform", ""),
        ("platform", "src"),
        ("curves", "metrics/train.json"),
        ("curves", "metrics/report.csv/../plots/speed.csv"),
        ("calibration", "metrics/fp32.json"),
        ("noise", "metrics/curves.csv"),
        ("onnx", "data/prepared/model.onnx"),
        ("trained", "models/engines/trained"),
    ],
)
def test_no_file_goes_where_it_would_cost_something(project, key, path):
    with pytest.raises(ConfigError, match=r"paths\.\w+ cannot be an output"):
        check(project, **{key: path})


@pytest.mark.parametrize("key", ["curves", "noise", "calibration", "calibration_cache", "platform"])
def test_a_strangers_file_of_the_same_kind_stays(project, tmp_path, key):
    stranger = tmp_path / f"mine{Path(getattr(Paths(), key)).suffix}"
    write(stranger, "my own figures")
    with pytest.raises(ConfigError, match=f"paths.{key} cannot be an output[^$]*begins with b'my"):
        check(project, **{key: str(stranger)})


@pytest.mark.parametrize(
    ("key", "own", "foreign"),
    [
        ("prepared", ("manifest.json", "test_images.npy"), "holiday.jpg"),
        ("prepared", ("manifest.json",), "train/a.npy"),
        ("predictions", ("labels.npy", "fp32/litert.npy"), "fp32/deep/litert.npy"),
        ("timings", ("fp32/litert/batch_1.npz",), "fp32/litert/raw.npz"),
        ("trained", ("model.json", "model.keras", "saved_model/variables/variables.index"), "saved_model/mine.h5"),
        ("plots", ("curves.png", "speed.csv"), "holiday.png"),
        ("engines", ("fp32/litert/cell.json", "fp32/litert/model.tflite"), "fp32/notes.txt"),
        ("engines", ("fp32/litert/cell.json",), "thesis/chapter.tex"),
        ("metrics", ("fp32.json", "plots/curves.png", "report.md"), "notes.json"),
    ],
)
def test_a_folder_elsewhere_has_to_be_of_own_files_alone(project, tmp_path, key, own, foreign):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    changed = {"curves": "a/curves.csv", "noise": "a/noise.csv", "plots": "a/plots", key: str(folder)}
    check(project, **changed)
    for name in own:
        write(folder / name)
    check(project, **changed)
    write(folder / foreign)
    with pytest.raises(ConfigError, match=f"paths.{key} cannot be an output[^$]*{foreign}"):
        check(project, **changed)


def test_arrays_of_somebody_else_are_no_predictions(project, tmp_path):
    write(tmp_path / "arrays/train/images.npy")
    with pytest.raises(ConfigError, match="train"):
        check(project, predictions=str(tmp_path / "arrays"))


def test_an_engine_folder_may_hold_what_its_sidecar_lists(project):
    write(project / "models/engines/fp32/mine/cell.json", '{"files": {"my[1].engine": {}}}')
    write(project / "models/engines/fp32/mine/my[1].engine")
    check(project)


def test_what_a_killed_writer_left_is_own(project):
    write(project / "models/engines/fp32/.partial.7-0123abcd.litert/model.tflite")
    check(project)
    write(project / "models/engines/fp32/.partial.mine/notes.txt")
    with pytest.raises(ConfigError, match=r"\.partial\.mine/notes\.txt"):
        check(project)


def test_folders_linked_to_another_disk_and_files_linked_into_a_cache_are_own(project, tmp_path):
    (tmp_path / "disk" / "prepared").mkdir(parents=True)
    (project / "data").rename(tmp_path / "old")
    (project / "data").symlink_to(tmp_path / "disk")
    write(tmp_path / "cache/ab")
    (project / "data/prepared/manifest.json").symlink_to(tmp_path / "cache/ab")
    check(project)
    write(tmp_path / "disk/prepared/notes.txt")
    with pytest.raises(ConfigError, match=r"paths\.prepared cannot be an output[^$]*notes\.txt"):
        check(project)


def test_a_linked_output_counts_as_what_it_leads_to(project):
    (project / "out").symlink_to("src")
    with pytest.raises(ConfigError, match=r"git does not track; it tracks .*cli\.py"):
        check(project, prepared="out")


def test_metrics_that_dvc_knows_may_be_tracked_elsewhere(project):
    write(project / "reports/train.json")
    subprocess.run(["git", "add", "-A"], cwd=project, check=True)
    changed = {"metrics": "reports", "curves": "reports/c.csv", "noise": "reports/n.csv", "plots": "reports/pictures"}
    with pytest.raises(ConfigError, match=r"it tracks .*reports/train\.json"):
        check(project, **changed)
    write(project / "dvc.lock", "stages: {train: {outs: [{path: reports/train.json}]}}")
    write(project / "reports/pictures/curves.png")
    check(project, **changed)


def test_what_else_lies_in_the_usual_metrics_is_in_no_danger(project):
    write(project / "metrics/my-notes.md")
    check(project)


def test_a_stage_run_by_hand_is_checked_where_it_writes(project):
    outputs = project / "outputs/today"
    write(outputs / ".hydra/config.yaml")
    write(project / "data/prepared/notes.txt")
    check(project, outputs)
    for path in (".", "", "../..", "../../src"):
        with pytest.raises(ConfigError, match=r"paths\.prepared cannot be an output"):
            check(project, outputs, prepared=path)


def test_a_missing_and_an_unknown_key_are_named(project):
    with pytest.raises(ConfigError, match=r"unknown key paths\.prepard"):
        check(project, prepard="x")
    with pytest.raises(ConfigError, match=r"missing key paths\.plots"):
        check_paths({key: path for key, path in asdict(Paths()).items() if key != "plots"}, project)
