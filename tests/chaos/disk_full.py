"""A round of its own: the store's file system is full, on a tmpfs that outlives the server killed on it."""
import os
import shutil
import tempfile
import time

from client import Client
from history import History, Row, Store
from lib.process import Process, eventually
from world import World

NAME = "disk full"
SIZE = "24m"


class SmallDisk:
    """A file system in a namespace of its own: no rights are needed, and nobody else's disk is filled."""

    def __init__(self, folder):
        self.mount = tempfile.mkdtemp(prefix="duly-chaos-disk-")
        script = f'mount -t tmpfs -o size={SIZE} tmpfs "$0" && touch "$0/mounted" && exec sleep 3600'
        self.keeper = Process("keeper", ["unshare", "-Urm", "sh", "-c", script, self.mount],
                              os.path.join(folder, "keeper.log"))
        self.seen = f"/proc/{self.keeper.pid}/root{self.mount}"
        eventually("it is mounted", lambda: os.path.exists(self.seen + "/mounted"))
        self.inside = ["nsenter", "-t", str(self.keeper.pid), "-U", "-m", "--preserve-credentials"]

    def fill(self, leave):
        """Takes all but so many bytes."""
        with open(os.path.join(self.seen, "filler"), "ab") as file:
            for _ in range(1000):
                info = os.statvfs(self.seen)
                room = info.f_bavail * info.f_frsize - leave
                if room <= 0:
                    return
                try:
                    file.write(b"x" * min(room, 1 << 20))
                    file.flush()
                except OSError:
                    return

    def free(self):
        os.unlink(os.path.join(self.seen, "filler"))

    def close(self):
        self.keeper.end()
        os.rmdir(self.mount)


class DiskFull:
    """New work is refused, what is known goes on, a kill meanwhile loses nothing; then there is room again."""

    def __init__(self, main, seed):
        main.node.spare = []  # a wiped broker has forgotten them
        self.disk = SmallDisk(main.folder)
        self.world = World(main.node, vhost=main.node.vhost(), wrap=self.disk.inside,
                           data=os.path.join(self.disk.mount, "data"))
        self.client = Client(self.world, seed, 150, name=f"disk-{seed}")
        self.history, self.kills = History(), 0

    def run(self):
        try:
            self.world.start_all()
            self.client.start()
            self.strike()
            self.finish()
        finally:
            self.client.stop()
            self.world.close()
            self.disk.close()
        return self.history

    def strike(self):
        for leave, kill in ((512 << 10, False), (0, False), (512 << 10, True)):
            time.sleep(0.4)
            before = self.client.statuses[507]
            self.disk.fill(leave)
            eventually("new work is refused", lambda before=before: self.client.statuses[507] > before, 10)
            time.sleep(0.3)
            if kill:
                self.world.server.kill()
                self.kills += 1
            self.disk.free()
            if kill:
                self.world.start_server()
            accepted = self.client.accepted()
            eventually("new work is taken again", lambda n=accepted: self.client.accepted() > n + 20, 15)
            self.world.revive_victim()

    def finish(self):
        self.client.paused.set()
        deadline = time.monotonic() + 3 * self.world.ttl_ms / 1000 + 6
        if not self.client.settle(deadline):
            self.late("answers are missing")
        while self.world.unfinished() != 0:
            if time.monotonic() > deadline:
                self.late(str(self.world.left_over()[:3]))
                break
            time.sleep(0.05)
        self.world.server.kill()
        self.collect()

    def late(self, detail):
        self.history.found.append({"kind": "late", "detail": f"{NAME}: {detail}"})

    def collect(self):
        """The facts, from a copy outside of the small disk."""
        copy = tempfile.mkdtemp(prefix="duly-chaos-copy-")
        try:
            for name in os.listdir(self.disk.seen + "/data"):
                shutil.copy(os.path.join(self.disk.seen, "data", name), copy)
            store = Store(copy)
            self.history.found += [{"kind": "store", "detail": problem} for problem in store.problems()]
            store.read_into(self.history)
            store.close()
        finally:
            shutil.rmtree(copy)
        self.history.requests, self.history.acts = self.client.requests, self.client.acts.log
        self.history.rows = [Row(*row) for row in self.world.ledger_process.rows()]
        self.history.counters = self.world.counters.total()
