"""Processes that are started, watched and ended by pid, with their output in a file."""
import ctypes
import os
import random
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BIN = os.path.join(ROOT, os.environ.get("DULY_BIN", "build/bin"))
LOG_TAIL = 60


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """Between fork and exec: a test run that is killed leaves nothing behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def program(name):
    return os.path.join(BIN, name)


def free_port():
    """Below the range the kernel hands out by itself, and away from those of test brokers."""
    for _ in range(500):
        port = random.randrange(23000, 30000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def eventually(what, check, seconds=15, every=0.02):
    """Polls until `check` gives something true and returns it; fails with the last value seen."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; last seen: {value!r}")
        time.sleep(every)


class Process:
    def __init__(self, name, arguments, log_path, wrap=()):
        self.name, self.log_path = name, log_path
        with open(log_path, "ab") as log:
            self.child = subprocess.Popen([*wrap, *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent)
        self.pid = self.child.pid
        self.stopped = False

    def running(self):
        return self.child.poll() is None

    def signal(self, number):
        if self.running():
            os.kill(self.pid, number)
        self.stopped = number == signal.SIGSTOP or self.stopped and number != signal.SIGCONT

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.child.wait(10)

    def wait(self, seconds=15):
        return self.child.wait(seconds)

    def terminate(self, seconds=15):
        """Orderly; answers the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def end(self):
        """By any means, for the end of a test."""
        if not self.running():
            return
        self.kill()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as text:
            return text.read()

    def tail(self):
        lines = self.log().splitlines()[-LOG_TAIL:]
        return f"---- {self.name} (pid {self.pid}, exit {self.child.poll()})\n" + "\n".join(lines)


def run_once(name, *arguments, seconds=15):
    """Runs one of our programs to its end."""
    return subprocess.run([program(name), *arguments], capture_output=True, text=True, timeout=seconds, check=False)
