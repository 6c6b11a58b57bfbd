"""DVC's files, cut off by a kill, are mended so that DVC takes them; whole ones, and those in use, stay as they are."""

import fcntl
import json
import subprocess
import sys

import pytest
import voluptuous as vol
import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

from roundoff.pipeline.dvc_lock import sound_part
from roundoff.pipeline.mending import mend
from tests.support.places import ROOT
from tests.support.present import present

LOCK = (ROOT / "dvc.lock").read_text()
STAGES = yaml.safe_load(LOCK)["stages"]
START_OF_SECOND = LOCK.index("\n  prepare:")
FIRST_STAGES = START_OF_SECOND + 300  # bytes: the first stage, and some of the second


@pytest.fixture
def project(tmp_path):
    temporary = tmp_path / ".dvc" / "tmp"
    temporary.mkdir(parents=True)
    for name in ("lock", "rwlock.lock"):
        (temporary / name).write_text(" 12345\n")
    (temporary / "rwlock").write_text('{"read": {}, "write": {"/a": {"pid": 12345, "cmd": "dvc repro"}}}')
    (tmp_path / "dvc.lock").write_text(LOCK)
    return tmp_path


def test_what_is_whole_stays(project):
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert mend(project) == []
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("text", ["", '{"read": {}, "wri', "[]"])
def test_a_cut_rwlock_is_removed(project, text):
    (project / ".dvc/tmp/rwlock").write_text(text)
    (said,) = mend(project)
    assert ".dvc/tmp/rwlock was half written" in said
    assert not (project / ".dvc/tmp/rwlock").exists()


@pytest.mark.parametrize("held", ["lock", "rwlock.lock"])
def test_nothing_is_touched_while_a_dvc_is_at_work(project, held):
    (project / ".dvc/tmp/rwlock").write_text("")
    with (project / ".dvc/tmp" / held).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert mend(project) == []
    assert (project / ".dvc/tmp/rwlock").read_text() == ""
    assert mend(project) != []


def dvc_takes(text):
    """What DVC reads of a lock file; None where it refuses it."""
    try:
        return COMPILED_LOCKFILE_SCHEMA(parse_yaml(text, "dvc.lock"))
    except (vol.Invalid, YAMLFileCorruptedError):
        return None


def begun(text):
    """The stages whose names a text has."""
    return [name for name in STAGES if f"\n  {name}:" in text]


def stages_after_mending(project):
    left = project / "dvc.lock"
    return present(dvc_takes(left.read_text())).get("stages", {}) if left.exists() else {}


@pytest.mark.parametrize("line", range(1, LOCK.count("\n"), 149))
def test_of_a_cut_lock_file_whole_stages_stay(project, line):
    cut = "".join(LOCK.splitlines(keepends=True)[:line])[:-1]
    (project / "dvc.lock").write_text(cut)
    said, taken = mend(project), dvc_takes(cut)
    assert len(said) == (taken is None)
    expected = {name: STAGES[name] for name in begun(cut)[:-1]}
    assert stages_after_mending(project) == (taken.get("stages", {}) if taken else expected)
    assert mend(project) == []


@pytest.mark.parametrize("cut", [*range(0, FIRST_STAGES, 13), *range(START_OF_SECOND, START_OF_SECOND + 16)])
def test_of_a_lock_file_cut_anywhere_dvc_takes_what_is_left(cut):
    text = LOCK[:cut]
    kept = sound_part(text.encode())
    if kept is None:
        assert dvc_takes(text) is not None
    elif kept:
        assert present(dvc_takes(kept.decode()))["stages"] == {name: STAGES[name] for name in begun(kept.decode())}
        assert len(begun(kept.decode())) >= len(begun(text)) - 1
        assert sound_part(kept) is None
    else:
        assert len(begun(text)) < 2


@pytest.mark.slow
def test_a_lock_file_cut_at_the_end_of_a_line_is_one_that_dvc_takes(project):
    lines = LOCK.splitlines(keepends=True)
    for count in range(len(lines) + 1):
        (project / "dvc.lock").write_text("".join(lines[:count]))
        mend(project)
        if count % 10 == 0 or lines[count - 1].rstrip().endswith(":"):
            stages_after_mending(project)


MARKS = ("<<<<<<< HEAD\n", "=======\n", ">>>>>>> theirs\n")
HEAD, ONE, TWO = "schema: '2.0'\nstages:\n", "  one:\n    cmd: echo\n", "  two:\n    cmd: echo\n"
ENTRY = "    outs:\n    - path: no\n      hash: md5\n      md5: {}\n      size: 1\n".format("a0" * 16)


@pytest.mark.parametrize("at", [5, 40, len(LOCK.splitlines()) - 3, len(LOCK.splitlines())])
@pytest.mark.parametrize("marks", [MARKS, ("<<<<<<< HEAD\n", "||||||| base\n", *MARKS[1:]), MARKS[:1]])
def test_a_merge_conflict_is_left_to_who_merges(project, at, marks):
    lines = LOCK.splitlines(keepends=True)
    text = "".join([*lines[:at], *marks, *lines[at:]])
    (project / "dvc.lock").write_text(text)
    assert mend(project) == []
    assert (project / "dvc.lock").read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        LOCK[:-1],
        LOCK.replace("\n", "\r\n"),
        HEAD + ONE + TWO[:-1],
        HEAD + ONE + ENTRY,
        HEAD + ONE + "    params:\n      params.yaml:\n        on: no\n        rate: 1e-4\n        day: 2024-01-01\n",
        "schema: '2.0'\nstages: {}\n",
        "schema: '2.0'\n",
        "# ours\n" + HEAD + ONE,
        HEAD + "  one:\n    cmd:\n    - echo 1\n    - echo 2",
    ],
)
def test_what_dvc_takes_stays_as_it_is(project, text):
    assert dvc_takes(text) is not None
    (project / "dvc.lock").write_bytes(text.encode())
    assert mend(project) == []
    assert (project / "dvc.lock").read_bytes() == text.encode()


@pytest.mark.parametrize(
    "text",
    [
        b"[]\n",
        b"- schema: '2.0'\n",
        b"words\n",
        b"\n",
        b"schema: '1.0'\nstages:\n  one:\n    cmd: echo\n  two:\n",
        f"{HEAD}  one: 1\n{TWO}".encode(),  # not the last stage
        f"{HEAD}{ONE}{ONE}    deps: 1\n{TWO}".encode(),
        f"{HEAD}{ONE}two:\n  cmd\n".encode(),
        f"{HEAD}one\n".encode(),
        f"# ours\n{HEAD}  one:\n".encode(),
        f"{HEAD}  one:\n    cmd: \xff\n{TWO}    deps:\n".encode("latin-1"),  # no UTF-8, before the last stage
    ],
)
def test_what_is_wrong_in_another_way_than_by_a_cut_is_left_to_dvc(project, text):
    (project / "dvc.lock").write_bytes(text)
    assert mend(project) == []
    assert (project / "dvc.lock").read_bytes() == text


@pytest.mark.parametrize("last", ["  two", "  two:\n    cmd: 1", "  two:\n    cmd: true", '  two:\n    cmd: "ec'])
def test_a_cut_that_makes_a_number_or_a_word_of_a_command_is_mended(project, last):
    (project / "dvc.lock").write_text(HEAD + ONE + last)
    assert len(mend(project)) == 1
    assert (project / "dvc.lock").read_text() == HEAD + ONE


def test_a_cut_within_a_letter_is_mended(project):
    (project / "dvc.lock").write_bytes((HEAD + ONE + "  two:\n    cmd: ü").encode()[:-1])
    assert len(mend(project)) == 1
    assert (project / "dvc.lock").read_text() == HEAD + ONE


@pytest.mark.parametrize("text", ["", HEAD[:3], HEAD[:20], HEAD, HEAD + "  ", HEAD + "  one", HEAD + ONE[:-6]])
def test_a_lock_file_without_a_whole_stage_is_removed(project, text):
    (project / "dvc.lock").write_text(text)
    assert len(mend(project)) == 1
    assert not (project / "dvc.lock").exists()
    assert mend(project) == []


@pytest.mark.parametrize("text", ["", HEAD + ONE + "  two:\n"])
def test_a_link_in_place_of_the_lock_file_stays(project, text):
    (project / "elsewhere").write_text(text)
    (project / "dvc.lock").unlink()
    (project / "dvc.lock").symlink_to("elsewhere")
    assert mend(project) == []
    assert (project / "dvc.lock").is_symlink()
    assert (project / "elsewhere").read_text() == text


def test_neither_dvc_nor_what_it_reads_with_is_imported_to_mend():
    code = "import sys, roundoff.pipeline.mending; sys.exit(bool({'dvc', 'ruamel.yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_dvc_there_is_nothing_to_mend(tmp_path):
    assert mend(tmp_path) == []


def test_json_of_dvc_itself_is_whole(project):
    (project / ".dvc/tmp/rwlock").write_text(json.dumps({}))
    assert mend(project) == []
