"""What systemd does for a service, as far as a service can see: sd_notify's socket, and what a unit file says."""
import os
import random
import socket
import time


class Manager:
    """Listens where NOTIFY_SOCKET points, a name without a file: seen from every root folder of the machine."""

    def __init__(self, watchdog_s=None):
        self.name = f"duly-test-{os.getpid()}-{random.getrandbits(48):x}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name)
        self.environment = {"NOTIFY_SOCKET": "@" + self.name}
        if watchdog_s is not None:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog_s * 1_000_000))
        self.heard = []

    def next(self, seconds=60):
        """The next word, or None when none came."""
        self.socket.settimeout(seconds)
        try:
            word = self.socket.recv(4096).decode()
        except TimeoutError:
            return None
        self.heard.append(word)
        return word

    def wait_for(self, word, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.next(max(0.01, deadline - time.monotonic())) == word:
                return
        raise AssertionError(f"{word} did not come within {seconds} s, only {self.heard[-5:]}")

    def catch_up(self):
        """Makes room: whoever finds the queue full says nothing."""
        while self.next(0.001) is not None:
            pass

    def close(self):
        self.socket.close()


class Unit:
    """A unit file: each setting as a list, in its order."""

    def __init__(self, path):
        self.settings = {}
        with open(path, encoding="utf-8") as text:
            for line in text:
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith(("#", "[")):
                    self.settings.setdefault(name, []).append(value)

    def one(self, name):
        values = self.settings.get(name, [])
        if len(values) != 1:
            raise AssertionError(f"{name} is there {len(values)} times")
        return values[0]

    def environment(self, root="/"):
        """As Environment= and EnvironmentFile= make it."""
        pairs = dict(value.split("=", 1) for value in self.settings.get("Environment", []))
        for name in self.settings.get("EnvironmentFile", []):
            path = os.path.join(root, name.lstrip("-").lstrip("/"))
            if name.startswith("-") and not os.path.exists(path):
                continue
            with open(path, encoding="utf-8") as text:
                pairs.update(line.strip().split("=", 1) for line in text if "=" in line and not line.startswith("#"))
        return pairs
