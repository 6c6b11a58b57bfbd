"""The repository with a pipeline of one stage that takes no time, and SLURM on this machine alone."""

import getpass
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.stages.conftest import copy_tree
from tests.support.repository import commit, git

PIPELINE = """stages:
  measure:
    cmd: PYTHONPATH=src:. exec python take.py
    deps: [take.py]
    params: [train.epochs]
    outs: [metrics: {cache: false}]
"""
TAKE = """from pathlib import Path
import yaml
from roundoff.results.metrics import write_metrics, write_verdict
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.measured import batch, cell, metrics

epochs = yaml.safe_load(open("params.yaml"))["train"]["epochs"]
fast = batch(ms=1 / epochs, end_to_end_speedup=1.0 * epochs)
found = metrics(fp32__ort=cell(), int8__ort=cell(regressed=epochs, batches={1: fast}))
Path("metrics").mkdir(exist_ok=True)
write_metrics(found, Path("metrics"))
write_verdict(decide(found, Target(batch_size=1)), Path("metrics"))
"""
SLURM = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=36817
SlurmdPort=36818
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A copy of the repository, committed, whose one stage makes up metrics from train.epochs."""
    project = tmp_path_factory.mktemp("small")
    copy_tree(project)
    shutil.rmtree(project / "metrics", ignore_errors=True)
    (project / "dvc.yaml").write_text(PIPELINE)
    (project / "take.py").write_text(TAKE)
    git(project, "init", "-q")
    for key, value in {"user.name": "n", "user.email": "e@example.org"}.items():
        git(project, "config", key, value)
    commit(project)
    return project


@pytest.fixture
def slurm(tmp_path_factory, monkeypatch):
    """SLURM's configuration file, of a cluster that is this machine; skipped where SLURM is not installed."""
    if missing := [name for name in SLURM if shutil.which(name) is None]:
        pytest.skip(f"no {', '.join(missing)} (Debian: apt-get install slurm-wlm munge)")
    if getpass.getuser() != "root":
        pytest.skip("slurmd must be started by root")
    folder = Path(tmp_path_factory.mktemp("slurm", numbered=True))
    configuration = folder / "slurm.conf"
    host = os.uname().nodename.partition(".")[0]
    configuration.write_text(CONFIGURATION.format(host=host, folder=folder, cpus=os.cpu_count()))
    monkeypatch.setenv("SLURM_CONF", str(configuration))
    try:
        _start(folder)
        yield configuration
    finally:
        for name in ("slurmd", "slurmctld", "munge/munged"):
            pid = folder / f"{name}.pid"
            if pid.exists():
                subprocess.run(["kill", pid.read_text().strip()], check=False)


def _start(folder):
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir()
    key = folder / "munge/key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    for place in (folder, *folder.parents[:-1]):  # munge's user reaches its folder
        if place.stat().st_uid == os.getuid() and place != Path("/tmp"):
            place.chmod(place.stat().st_mode | 0o111)
    for place in (folder / "munge", key):
        shutil.chown(place, "munge", "munge")
    own = [f"--socket={folder}/munge/socket", f"--key-file={key}", f"--log-file={folder}/munge/log"]
    own += [f"--pid-file={folder}/munge/munged.pid", f"--seed-file={folder}/munge/seed"]
    as_munge = ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups"]
    for command in ([*as_munge, "munged", "--force", *own], ["slurmctld"], ["slurmd"]):
        subprocess.run(command, check=True, capture_output=True)
    for _ in range(60):
        if "idle" in subprocess.run(["sinfo"], capture_output=True, text=True, check=False).stdout:
            return
        time.sleep(0.5)
    pytest.fail((folder / "slurmctld.log").read_text()[-2000:])
