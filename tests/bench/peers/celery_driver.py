#!/usr/bin/env python3
"""The acts of driver.js, for Celery: a client, or a worker that consumes when it is told to.  A line of JSON each.

  celery_driver.py client|worker SETTINGS
"""
import datetime
import json
import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
BYTES = 256
HELD = "held"  # a worker's queue while it waits for its `go`
READY_IN_S = 30


def name(prefix, number):
    return f"{prefix}{number:07}"


def payload(id):
    """256 bytes as JSON, whatever the id."""
    return {"id": id, "filler": "x" * (BYTES - len(json.dumps({"id": id, "filler": ""}, separators=(",", ":"))))}


def now_us():
    return time.time_ns() // 1000


class Client:
    def __init__(self):
        from celery_tasks import noop  # it reads the settings that main has put into the environment
        self.task = noop

    def add(self, id, due=None):
        eta = datetime.datetime.fromtimestamp(due / 1000, datetime.timezone.utc) if due else None
        self.task.apply_async(kwargs=payload(id), eta=eta)

    def enqueue(self, prefix, callers, seconds):
        numbers, begun = Numbers(), now_us()
        until = begun + seconds * 1e6

        def calls():
            while now_us() < until:
                self.add(name(prefix, numbers.next()))
        together(callers, calls)
        return {"jobs": numbers.given, "seconds": (now_us() - begun) / 1e6}

    def bulk(self, prefix, count, callers, due=None, start=None, rate=None, **_):
        """There is no bulk call: as many callers as are worth while."""
        numbers, begun = Numbers(), now_us()

        def calls():
            while (number := numbers.next()) < count:
                self.add(name(prefix, number), start + number * 1000 // rate if rate else due)
        together(callers, calls)
        return {"jobs": count, "seconds": (now_us() - begun) / 1e6}

    def paced(self, prefix, rate, seconds, callers, log):
        numbers, begun, lines = Numbers(), now_us(), []
        until = begun + seconds * 1e6

        def calls():
            while now_us() < until and (number := numbers.next()) < rate * seconds:
                due = begun + int(number * 1e6 / rate)
                time.sleep(max(due - now_us(), 0) / 1e6)
                sent = now_us()
                self.add(name(prefix, number))
                lines.append(f"{name(prefix, number)} {due} {sent} {now_us()}\n")
        together(callers, calls)
        with open(log, "w", encoding="ascii") as out:
            out.writelines(lines)
        return {"jobs": len(lines), "seconds": (now_us() - begun) / 1e6}


class Numbers:
    """0, 1, 2 … to several threads."""

    def __init__(self):
        self.given, self.lock = 0, threading.Lock()

    def next(self):
        with self.lock:
            self.given += 1
            return self.given - 1


def together(count, calls):
    threads = [threading.Thread(target=calls) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Worker:
    """`celery worker` on a queue that is empty, until `go` has it consume the one that is measured."""

    def __init__(self, settings):
        from celery_tasks import app
        self.app = app
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-m", "celery", "-A", "celery_tasks", "worker", "-Q", HELD, "-c", str(settings["server"]["concurrency"]),
             "-O", "fair", "-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"],
            cwd=HERE, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        deadline = time.monotonic() + READY_IN_S
        while not app.control.inspect(timeout=0.5).ping():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the worker did not begin")

    def go(self):
        self.app.control.add_consumer("celery", reply=False)
        return {}


def main():
    role, text = sys.argv[1:]
    os.environ["DULY_PEER_SETTINGS"] = text
    os.environ["C_FORCE_ROOT"] = "1"  # nothing is pickled here
    sys.path.insert(0, HERE)
    settings = json.loads(text)
    one = Worker(settings) if role == "worker" else Client()
    print(json.dumps({"ready": True, "pid": one.process.pid if role == "worker" else os.getpid()}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(getattr(one, asked.pop("act"))(**asked)), flush=True)


if __name__ == "__main__":
    main()
