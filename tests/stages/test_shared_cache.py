"""Two users of one group share DVC's cache, as docs/how_to/remotes.md has it; only root can take their places."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,  # a dozen DVC commands
    pytest.mark.skipif(os.geteuid() != 0, reason="takes the place of two users"),
]
FIRST, SECOND, GROUP = "games", "news", "users"
IDENTITY = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
# Python may lie in a home that lets nobody in: for this process alone that home is another, with Python in it.
OPENED = """
mount --make-rprivate /
mkdir "$1/python"
mount --bind "$2" "$1/python"
mount -t tmpfs -o mode=755 tmpfs "$3"
mkdir -p "$2"
mount --bind "$1/python" "$2"
shift 3
exec "$@"
"""


class Team:
    """Users with a folder each in `place`, and the folder `cache` that both write into."""

    def __init__(self, place):
        self.place, self.cache = place, place / "cache"
        place.chmod(0o755)
        for folder, user, group in (
            (self.cache, None, GROUP),
            (place / FIRST, FIRST, None),
            (place / SECOND, SECOND, None),
        ):
            folder.mkdir()
            shutil.chown(folder, user or -1, group or -1)
        self.cache.chmod(0o2775)

    def run(self, user, line, umask):
        """What a shell prints for a line, run as that user with that umask."""
        taking = ["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={GROUP}", "--inh-caps=-all"]
        home = self.place / user
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = {"HOME": str(home), "PATH": path, "DVC_NO_ANALYTICS": "1", **IDENTITY}
        command = self._opened([*taking, "/bin/sh", "-ec", f"umask {umask:03o}; {line}"])
        run = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def _opened(self, command):
        python = Path(sys.base_prefix)
        closed = [each for each in reversed(python.parents) if each.stat().st_mode & 0o005 != 0o005]
        if not closed:
            return command
        if Path(sys.prefix).is_relative_to(closed[0]):
            pytest.skip("the environment lies in a home that lets nobody in")
        place = tempfile.mkdtemp(dir=self.place)
        return ["unshare", "-m", "/bin/sh", "-ec", OPENED, "sh", place, str(python), str(closed[0]), *command]


@pytest.fixture
def team():
    if subprocess.run(["unshare", "-m", "setpriv", f"--reuid={FIRST}", "true"], capture_output=True).returncode:
        pytest.skip("no other user's place can be taken here")
    with tempfile.TemporaryDirectory(dir="/tmp") as place:  # the tests' own lets no other user in
        yield Team(Path(place))


@pytest.mark.parametrize("umask", [0o022, 0o077], ids=["022", "077"])
def test_each_takes_what_the_other_has_made(team, umask):
    team.run(
        FIRST,
        f"""git init -q project; cd project; dvc init -q
        dvc config cache.dir {team.cache}; dvc config cache.shared group
        dvc stage add -q -n loud -d said -o loud 'tr a-z A-Z < said > loud; date > ran'
        echo hello > said; dvc repro; git add -A; git commit -qm start; chmod -R a+rX ~""",
        umask,
    )
    of_second = team.run(
        SECOND,
        f"""git config --global safe.directory '*'; git clone -q {team.place}/{FIRST}/project; cd project; rm ran
        dvc repro; cat loud; test ! -e ran
        echo other > said; dvc repro; rm ran""",
        umask,
    )
    assert "HELLO" in of_second
    of_first = team.run(FIRST, "cd project; rm ran; echo other > said; dvc repro; cat loud; test ! -e ran", umask)
    assert "OTHER" in of_first
