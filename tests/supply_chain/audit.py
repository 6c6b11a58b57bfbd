"""The lock file held against versions with known faults: `make audit`.

python -m tests.supply_chain.audit

First the list that is kept here, then a vulnerability service by pip-audit. Exit code 1, and each fault named, where
there is one; where the service cannot be reached, or does not know the packages, that is said, and no error.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
KNOWN = tomllib.loads((Path(__file__).parent / "known_faults.toml").read_text(encoding="utf-8"))
ACCEPTED = {each["id"] for each in KNOWN["accepted"]}
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)
PIP_AUDIT = ["uv", "tool", "run", "pip-audit", "--disable-pip", "--progress-spinner=off", "--format=json"]
PATIENCE_S = 300


def locked(text):
    """Package and version, of each line of a lock file; a package may have several, for several Pythons."""
    return [(canonicalize_name(name), version) for name, version in PINNED.findall(text)]


def listed_faults(text):
    """The faults in known_faults.toml that a lock file's versions have, a line each."""
    return [
        f"{name} {version}: {fault['id']}, {fault['what']}"
        for name, version in locked(text)
        for fault in KNOWN["fault"]
        if fault["package"] == name and SpecifierSet(fault["versions"], prereleases=True).contains(version)
    ]


def faults_in(report):
    """The faults that pip-audit found, a line each, without the accepted ones."""
    return [
        f"{each['name']} {each['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version'}"
        for each in report["dependencies"]
        for fault in each.get("vulns", [])
        if ACCEPTED.isdisjoint({fault["id"], *fault.get("aliases", [])})
    ]


def asked(lock):
    """What pip-audit reports of a lock file; None, and why, where it could not ask for every package."""
    try:
        run = subprocess.run(
            [*PIP_AUDIT, "--requirement", str(lock)], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        report = json.loads(run.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    except ValueError:
        return None, (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
    skipped = [each["name"] for each in report["dependencies"] if "skip_reason" in each]
    if skipped:
        return report, f"{len(skipped)} of {len(report['dependencies'])} packages are unknown there: {skipped[0]}, …"
    return report, None


def main():
    faults = listed_faults(LOCK.read_text(encoding="utf-8"))
    report, lacking = asked(LOCK)
    if report is not None:
        faults += faults_in(report)
    if lacking:
        print(f"warning: not audited by a vulnerability service: {lacking}", file=sys.stderr)
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    print(f"{len(faults)} known faults in requirements.lock, {len(ACCEPTED)} accepted")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
