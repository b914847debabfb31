"""An adapter of a peer as a process: told what to do by a line of JSON, and answering with one."""
import contextlib
import json
import os
import signal
import subprocess
import threading

from lib.process import die_with_parent
from peers.servers import tree

HERE = os.path.dirname(os.path.abspath(__file__))
ENDS_IN_S = 10
LONGEST_S = 300  # that any one act may take


class Adapter:
    def __init__(self, command, role, settings, folder, modules):
        self.log_path = os.path.join(folder, f"{role}.log")
        environment = {**os.environ, "NODE_PATH": modules, "NODE_ENV": "production", "PYTHONPATH": HERE}
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen([*command, role, json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=log, text=True, env=environment, preexec_fn=die_with_parent, cwd=HERE)
        try:
            self.pid = self.read()["pid"]
        except BaseException:
            self.close()
            raise

    def read(self):
        """Its next answer.  One that takes too long is ended, and so is the waiting for it."""
        alarm = threading.Timer(LONGEST_S, self.child.kill)
        alarm.start()
        try:
            line = self.child.stdout.readline()
        finally:
            alarm.cancel()
        if not line:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"it ended, or did not answer within {LONGEST_S} s: " + " / ".join(log.read().split("\n")[-6:]))
        return json.loads(line)

    def ask(self, act, **fields):
        self.child.stdin.write(json.dumps({"act": act, **fields}) + "\n")
        self.child.stdin.flush()
        return self.read()

    def pids(self):
        """Those that do the work: not one that only looks after a worker."""
        return tree(self.pid)

    def kill(self):
        """Those that do the work, with SIGKILL, all of them at once: as when the machine they are on is lost."""
        for pid in self.pids():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def close(self):
        """It ends at the end of its input, and what it has started with it; or it is ended, with that."""
        pids = tree(self.child.pid)
        self.child.stdin.close()
        try:
            self.child.wait(ENDS_IN_S)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            self.child.wait()
        self.child.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
