#!/usr/bin/env python3
"""The real world behind a browser test: RabbitMQ, a control server and agents, steered by lines of JSON.

Each line on standard input is {"do": NAME, ...}, answered by one line: {"ok": VALUE} or {"error": TEXT}.  It ends, with
all it started, when its input does.  DULY_BIN: the folder of the programs.  DULY_TEST_RABBIT_DIR and DULY_TEST_AMQP: a
node that is there already (scripts/test starts one); without them a node is started here.
"""
import http.server
import json
import os
import signal
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from lib.cluster import Cluster  # noqa: E402
from lib.process import eventually, run_once  # noqa: E402
from lib.rabbit import Node  # noqa: E402


class Receiver(http.server.BaseHTTPRequestHandler):
    """Of callbacks: takes what is sent to /taken, and nothing else."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204 if self.path == "/taken" else 503)
        self.end_headers()

    def log_message(self, *_):  # pylint: disable=arguments-differ; nobody reads it
        pass


class Stage:
    def __init__(self, node):
        self.node = node
        self.cluster = Cluster(node)
        self.locked = None
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()

    def start_server(self, *flags):
        """{"url": ..., "callbacks": where it may call}."""
        calls = f"http://127.0.0.1:{self.receiver.server_port}/"
        secret = os.path.join(self.cluster.folder, "callback-secret")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as text:
            text.write("a-secret-of-these-tests\n")
        self.cluster.start_server("--callback-secret-file", secret, "--allow-callback", calls, *flags)
        return {"url": f"http://127.0.0.1:{self.cluster.http_port}", "callbacks": calls}

    def start_agents(self, *names, concurrency=16, queues="default"):
        self.cluster.start_agents(*names, concurrency=concurrency, queues=queues)

    def start_locked_server(self, **roles):
        """A second server, which wants a key: {"url": ..., NAME: KEY} for each NAME=ROLE."""
        self.locked = Cluster(self.node)
        keys, file = {}, os.path.join(self.locked.folder, "keys")
        with open(file, "w", encoding="ascii") as lines:
            for name, role in roles.items():
                told = dict(line.split(": ", 1) for line in run_once("duly-server", "keys", "new", name, role).stdout.splitlines())
                keys[name] = told["key"].strip()
                lines.write(told["line"].strip() + "\n")
        self.locked.start_server("--api-keys", file)
        return {"url": f"http://127.0.0.1:{self.locked.http_port}", **keys}

    def kill_server(self):
        self.cluster.server.kill()

    def agent_running(self, name):
        return self.cluster.agents[name].running()

    def wait_for_end_of_agent(self, name):
        eventually(f"{name} has ended", lambda: not self.cluster.agents[name].running())

    def idle(self):
        self.cluster.idle()

    def close(self):
        self.cluster.close()
        if self.locked is not None:
            self.locked.close()
        self.receiver.shutdown()


def answer(stage, line):
    try:
        order = json.loads(line)
        action = getattr(stage, order.pop("do"))
        return {"ok": action(*order.pop("args", []), **order)}
    except Exception as error:  # pylint: disable=broad-except; whatever it is, the test that asked shall say it
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    own = None
    if not os.environ.get("DULY_TEST_RABBIT_DIR"):
        own = Node.start_new()
        os.environ["DULY_TEST_RABBIT_DIR"] = own.folder
    stage = None
    try:
        shared = Node.shared()
        os.environ.setdefault("DULY_TEST_AMQP", shared.output("url", shared.folder))
        stage = Stage(None)
        print(json.dumps({"ok": "ready"}), flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(stage, line)), flush=True)
    finally:
        if stage is not None:
            stage.close()
        if own is not None:
            own.close()


if __name__ == "__main__":
    main()
