import pytest

from roundoff.errors import ConfigError
from roundoff.revisions.keep import keep

LIVE = "live/plots/metrics/train/loss.tsv"


@pytest.fixture
def project(tmp_path):
    metrics = (f"metrics/{name}" for name in ("fp32.json", "plots/curves.png", LIVE, "my-notes.md"))
    reports = ("build/ja/report.html", "build/ja/report.md")
    for name in (*metrics, *reports, "platform.json", "params.yaml", "dvc.lock", "results/other/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def kept(project, name):
    folder = keep(project, name, project / "build/ja")
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_kept_with_both_reports_and_replaced_by_the_next(project):
    files = {"fp32.json", "plots/curves.png", LIVE, "platform.json", "params.yaml", "dvc.lock"}
    assert kept(project, "cpu/run") == files | {"report.ja.html", "report.ja.md"}
    (project / "metrics/fp32.json").rename(project / "metrics/fp16.json")
    assert kept(project, "cpu/run") == files - {"fp32.json"} | {"fp16.json", "report.ja.html", "report.ja.md"}


@pytest.mark.parametrize("name", ["", ".", "..", "cpu/..", "cpu//run", "/tmp/run", "cpu/run/", "other", "a b", "~"])
def test_a_name_that_would_cost_something_else_is_refused(project, name):
    before = sorted(project.rglob("*"))
    with pytest.raises(ConfigError, match=r"cannot be kept|is not replaced"):
        kept(project, name)
    assert sorted(project.rglob("*")) == before


def test_a_folder_of_other_runs_is_not_replaced(project):
    kept(project, "cpu/run")
    with pytest.raises(ConfigError, match=r"run/dvc\.lock"):
        kept(project, "cpu")
    assert (project / "results/cpu/run/fp32.json").exists()
