"""A copy of this system that is thrown away: what is written there is in memory, in a mount namespace of its own."""
import os
import shutil
import subprocess
import tempfile

from lib.process import die_with_parent, eventually

SET_UP = r"""
set -eu
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
: >"$1/root/.ready"
exec tail -f /dev/null
"""


class Sandbox:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="duly-sandbox-")
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.keeper = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", SET_UP, "sh", self.mount_point()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        # Seen through the keeper: the mounts are there for nobody else.
        self.root = f"/proc/{self.keeper.pid}/root{self.mount_point()}/root"
        eventually("the copy of the system is mounted", self.is_ready, 30)

    def mount_point(self):
        path = os.path.join(self.folder, "mount")
        os.makedirs(path, exist_ok=True)
        return path

    def is_ready(self):
        if self.keeper.poll() is not None:
            with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
                raise AssertionError("a copy of this system needs root, mount namespaces and overlayfs: " + log.read())
        return os.path.exists(os.path.join(self.root, ".ready"))

    def command(self, *words, user=None, environment=None):
        """As an argument vector: `words` in the copy, as `user`, with this environment and no other."""
        known = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
                 **(environment or {})}
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--no-new-privs"] if user else []
        return ["nsenter", f"--target={self.keeper.pid}", "--mount", "chroot", f"{self.mount_point()}/root", "env", "-i",
                *[f"{name}={value}" for name, value in known.items()], *as_user, *words]

    def run(self, *words, check=True, seconds=120, **how):
        done = subprocess.run(self.command(*words, **how), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, check=False, preexec_fn=die_with_parent)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def path(self, path):
        """Of a file in the copy, from here."""
        return self.root + path

    def close(self):
        self.keeper.kill()
        self.keeper.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
