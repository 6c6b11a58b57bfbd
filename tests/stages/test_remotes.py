"""The outputs go to a remote and come back into a clean clone: a folder, a real OpenSSH server, S3."""

import getpass
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.stages.hollow import Hollow
from tests.support.places import ROOT

ENGINE = "models/engines/int8/engine"
SECRET = re.compile(
    r"^\s*(password|.*secret.*|access_key_id|.*token.*|.*keyfile|passphrase|connection_string)\s*=", re.M
)
SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd") or ""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Hollow(tmp_path_factory.mktemp("hollow") / "project")


def dvc(project, *words):
    run = project.dvc(*words)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def to_remote(project, url, *, shared=(), local=()):
    """Make `url` the remote: `shared` settings go into the committed file, `local` ones into this clone's own."""
    (project.folder / ".dvc/config.local").unlink(missing_ok=True)  # of a remote of another kind
    dvc(project, "remote", "add", "-q", "-f", "-d", "store", url)
    for name, value in shared:
        dvc(project, "remote", "modify", "store", name, value)
    for name, value in local:
        dvc(project, "remote", "modify", "--local", "store", name, value)
    project.git("commit", "-qam", "remote")


def round_trip(project, folder, local=()):
    """Push, clone, pull; the clone. What is secret has to be told it anew."""
    dvc(project, "push")
    twin = project.clone(folder)
    assert not (twin.folder / "models/engines").exists()
    for name, value in local:
        dvc(twin, "remote", "modify", "--local", "store", name, value)
    dvc(twin, "pull", "-q")
    assert (twin.folder / ENGINE).read_text() == "build-int8\n"
    assert (twin.folder / "data/prepared/engine").read_text() == "prepare\n"
    assert twin.changed() == ""
    assert_no_secret(twin)
    return twin


def assert_no_secret(project):
    config = (project.folder / ".dvc/config").read_text()
    assert not SECRET.search(config)
    assert not re.search(r"://[^/\s@]+:[^/\s@]+@", config)  # a password inside an address


@pytest.mark.slow  # DVC's commands take a second or two each
def test_a_folder_as_remote_and_what_others_take_from_it(project, tmp_path):
    to_remote(project, str(tmp_path / "remote"))
    twin = round_trip(project, tmp_path / "clone")
    assert re.findall(r"Running stage '([^']+)'", twin.repro("--pull")) == ["probe"]
    dvc(project, "get", "-q", str(twin.folder), "models/engines/int8", "-o", str(tmp_path / "got"))
    assert (tmp_path / "got/engine").read_text() == "build-int8\n"


@pytest.mark.slow  # as above
def test_an_artifact_is_registered_promoted_and_got_by_its_name(project, tmp_path):
    to_remote(project, str(tmp_path / "remote"))
    dvc(project, "push", "-q")
    gto(project, "register", "engines-int8", "--version", "v1.0.0")
    gto(project, "assign", "engines-int8", "--version", "v1.0.0", "--stage", "production")
    assert "v1.0.0" in gto(project, "show", "engines-int8")
    for words in (("--rev", "v1.0.0"), ("--stage", "production")):
        folder = tmp_path / words[0].strip("-")
        dvc(project, "artifacts", "get", "-q", str(project.folder), "engines-int8", *words, "-o", str(folder))
        assert (folder / "engine").read_text() == "build-int8\n"


def gto(project, *words):
    run = project.python("-c", "from gto.cli import app; app()", *words)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.slow  # as above
@pytest.mark.skipif(not SSHD, reason="no sshd here: apt-get install openssh-server")
@pytest.mark.skipif(not importlib.util.find_spec("dvc_ssh"), reason="no dvc_ssh here: pip install 'roundoff[ssh]'")
def test_a_real_openssh_server(project, tmp_path_factory):
    # under /tmp itself, since the server's user has to reach it
    with ssh_server(tmp_path_factory.mktemp("ssh")) as server:
        local = (("keyfile", str(server.key)),)
        to_remote(project, f"ssh://{server.user}@127.0.0.1:{server.port}{server.store}", local=local)
        round_trip(project, server.folder / "clone", local)
        assert any(server.store.rglob("*.dir"))


@pytest.mark.slow  # as above
@pytest.mark.skipif(not importlib.util.find_spec("dvc_s3"), reason="no dvc_s3 here: pip install 'roundoff[s3]'")
@pytest.mark.skipif(not importlib.util.find_spec("moto"), reason="no moto here: it is in the group remotes")
def test_s3(project, tmp_path):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        subprocess.run(["curl", "-sf", "-X", "PUT", f"{endpoint}/bucket"], check=True)
        local = (("access_key_id", "me"), ("secret_access_key", "hidden"))
        to_remote(project, "s3://bucket/dvc", shared=(("endpointurl", endpoint),), local=local)
        round_trip(project, tmp_path / "clone", local)
    finally:
        server.stop()


def test_no_secret_is_committed_and_git_ignores_the_file_that_may_hold_one():
    assert_no_secret(type("Root", (), {"folder": ROOT}))
    assert "/config.local" in (ROOT / ".dvc/.gitignore").read_text().split()
    assert SECRET.search("[x]\n    secret_access_key = a\n")
    assert SECRET.search("    password = a\n")


class ssh_server:  # noqa: N801 - a context manager, used as a function
    """OpenSSH's sshd on 127.0.0.1, with a port, keys and a folder of its own, as a user without privileges."""

    def __init__(self, folder):
        self.folder, self.key, self.store = folder, folder / "key", folder / "store"
        self.user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def __enter__(self):
        self.store.mkdir()
        for name in ("host", "key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(command, check=True)
        (self.folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\n"
            f"AuthorizedKeysFile {self.folder}/key.pub\nPidFile none\nStrictModes no\nUsePAM yes\n"
            "PasswordAuthentication no\nSubsystem sftp internal-sftp\n"
        )
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "config")]
        self.server = subprocess.Popen([*self._unprivileged(), *command], stderr=(self.folder / "log").open("w"))
        self._wait()
        return self

    def _unprivileged(self):
        if os.geteuid() != 0:
            return []
        for path in (self.folder / "host", self.store):
            shutil.chown(path, "nobody")
        for above in (self.folder, *self.folder.parents[:3]):
            if above != Path("/tmp") and above.stat().st_mode & 0o005 != 0o005:
                above.chmod(0o755)
        return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all"]

    def _wait(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.server.poll() is not None:
                pytest.skip(f"sshd does not start here: {(self.folder / 'log').read_text()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        pytest.skip("sshd does not answer")

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()
