"""`roundoff diff` where revisions rest on different machines, targets or images."""

from dataclasses import replace

from roundoff.results.platform import Cpu, Platform
from roundoff.results.run import Method
from roundoff.system.files import write_json
from tests.support.diffed import ACCURACY, NAME, commit_figures, judge, judgements, shown, write


def test_other_machine_is_named_and_judges_nothing(project, capsys):
    commit_figures(project, size=0.2, platform=Platform(id="bbbb", cpu=Cpu(model="two")))
    out = shown(capsys, "HEAD~1", "HEAD", "--all")
    assert "fingerprint: aaaa → bbbb" in out
    assert "cpu.model: one → two" in out
    assert "0 proven worse, 0 proven better, 0 within noise, 1 not judged" in out
    assert f"!  {NAME}" in out


def lock(project, prepared):
    """A dvc.lock in which `evaluate` read data with the hash `prepared`."""
    data = {"path": "data/prepared", "md5": prepared}
    evaluate = {"deps": [{"path": "src", "md5": "x"}, data], "outs": [{"path": "metrics/fp32.json", "md5": "y"}]}
    write_json(project / "dvc.lock", {"stages": {"prepare": {"outs": [data]}, "evaluate": evaluate}})


def test_a_stricter_target_is_named_and_judges_no_verdict(project, capsys):
    judge(project, "pass", min_relative_accuracy=0.99)
    commit_figures(project)
    judge(project, "fail", min_relative_accuracy=0.999)
    out = shown(capsys, "HEAD")
    assert "judged by different targets" in out
    assert "min_relative_accuracy: 0.99 → 0.999" in out
    found, judged = judgements(capsys, "HEAD")
    assert (judged["verdict"], found["differing"]) == ("not comparable", ["target"])
    assert [found[side]["target"]["min_relative_accuracy"] for side in ("a", "b")] == [0.99, 0.999]


def test_other_prepared_data_are_another_test_set(project, capsys):
    lock(project, "one.dir")
    commit_figures(project)
    lock(project, "two.dir")
    write(project / "metrics", accuracy=replace(ACCURACY, top1=0.99, top1_low=0.98, top1_high=1.0, correct=990))
    assert "tested on different images: no verdict or accuracy is compared" in shown(capsys, "HEAD")
    found, judged = judgements(capsys, "HEAD")
    assert (judged["top1"], found["differing"]) == ("not comparable", ["test set"])
    assert (found["a"]["test_set"], found["b"]["test_set"]) == ("one.dir", "two.dir")


def test_the_metrics_own_hash_of_the_test_set_counts(project, capsys):
    for prepared in ("one.dir", "two.dir"):
        lock(project, prepared)
        commit_figures(project, method=Method(test_set="same"))
    assert judgements(capsys, "HEAD~1", "HEAD")[0]["differing"] == []


def test_metrics_that_the_pipeline_did_not_write_are_not_its_datas(project, capsys):
    lock(project, "one.dir")
    write(project / "kept")
    commit_figures(project)
    lock(project, "two.dir")
    assert judgements(capsys, "HEAD", "--metrics", "kept")[0]["differing"] == []
