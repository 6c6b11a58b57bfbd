"""What the lock file brings has no known fault, and an audit that could not be made is no clean one."""

import json
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.supply_chain import audit
from tests.support.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_lock_has_no_version_with_a_known_fault():
    text = audit.LOCK.read_text()
    assert audit.listed_faults(text) == []
    assert len(audit.locked(text)) > 150


@pytest.mark.parametrize("fault", audit.KNOWN["fault"], ids=lambda fault: fault["id"])
def test_a_version_with_a_known_fault_is_found(fault):
    version = next(each.version for each in SpecifierSet(fault["versions"]) if each.operator.startswith("<"))
    pieces = [int(piece) for piece in version.split(".")]
    below = next(
        str(candidate)
        for candidate in (Version(version), *_versions_below(pieces))
        if SpecifierSet(fault["versions"]).contains(candidate)
    )
    found = audit.listed_faults(f"{fault['package']}=={below} \\\n    --hash=sha256:00\n")
    assert any(fault["id"] in line for line in found)


def _versions_below(pieces):
    for place in reversed(range(len(pieces))):
        if pieces[place]:
            yield Version(".".join(map(str, [*pieces[:place], pieces[place] - 1, *pieces[place + 1 :]])))


def test_every_listed_package_is_one_that_we_have():
    groups = [*PROJECT["project"]["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()]
    named = {canonicalize_name(Requirement(line).name) for group in groups for line in group}
    named |= {name for name, _ in audit.locked(audit.LOCK.read_text())}
    assert {each["package"] for each in (*audit.KNOWN["fault"], *audit.KNOWN["accepted"])} <= named


def test_no_keras_that_runs_code_of_a_file_is_accepted():
    keras = next(Requirement(line) for line in PROJECT["project"]["dependencies"] if line.startswith("keras"))
    lowest = next(each.version for each in keras.specifier if each.operator == ">=")
    assert f"{lowest} is the oldest" in " ".join((ROOT / "SECURITY.md").read_text().split())
    assert not [f for f in audit.KNOWN["fault"] if f["package"] == "keras" and lowest in SpecifierSet(f["versions"])]


def answer(monkeypatch, report, errors=""):
    text = report if isinstance(report, str) else json.dumps({"dependencies": report})
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, text, errors))


def vulnerable(name, identity, alias="GHSA-0"):
    fault = {"id": identity, "aliases": [alias], "fix_versions": ["9"]}
    return {"name": name, "version": "1", "vulns": [fault]}


def test_a_fault_that_the_service_knows_is_an_error(monkeypatch, capsys):
    answer(monkeypatch, [vulnerable("keras", "CVE-1"), vulnerable("diskcache", "GHSA-1", "CVE-2025-69872")])
    assert audit.main() == 1
    assert capsys.readouterr().err == "error: keras 1: CVE-1, mended in 9\n"


@pytest.mark.parametrize(
    ("report", "errors", "said"),
    [
        ("", "Traceback\nConnectionError: no name\n", "ConnectionError: no name"),
        ([{"name": "urllib3", "skip_reason": "not found"}], "", "1 of 1 packages are unknown there"),
    ],
)
def test_without_a_service_the_build_goes_on_and_says_so(monkeypatch, capsys, report, errors, said):
    answer(monkeypatch, report, errors)
    assert audit.main() == 0
    assert "not audited by a vulnerability service" in (err := capsys.readouterr().err)
    assert said in err


def test_without_uv_the_build_goes_on_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(audit, "PIP_AUDIT", ["/nowhere/uv"])
    assert audit.main() == 0
    assert "not audited by a vulnerability service" in capsys.readouterr().err
