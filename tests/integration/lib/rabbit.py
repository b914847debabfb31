"""RabbitMQ nodes through scripts/lib/rabbit, and a vhost of its own for each test."""
import os
import random
import shutil
import subprocess
import tempfile

from lib import amqp
from lib.process import ROOT

SCRIPT = os.path.join(ROOT, "scripts", "lib", "rabbit")
VHOSTS_AT_ONCE = 12


class Guard:
    """Ends nodes by pid and deletes their folder, however this process ends: also by SIGKILL, also by Ctrl-C."""

    def __init__(self, action, folder):
        read, self.write = os.pipe()  # its end here is closed with us
        self.child = subprocess.Popen(["sh", "-c", 'read _; "$0" "$1" "$2"; rm -rf "$2"', SCRIPT, action, folder],
                                      stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      start_new_session=True)
        os.close(read)

    def close(self):
        os.close(self.write)
        self.child.wait(60)


class Node:
    def __init__(self, folder, own=True):
        self.folder, self.own, self.spare = folder, own, []
        self.guard = None

    @classmethod
    def shared(cls):
        """The node of this run: scripts/test or the runner has started it."""
        if not hasattr(cls, "_shared"):
            cls._shared = cls(os.environ["DULY_TEST_RABBIT_DIR"], own=False)
        return cls._shared

    @classmethod
    def start_new(cls, **environment):
        node = cls(tempfile.mkdtemp(prefix="duly-rabbit-"))
        node.guard = Guard("kill", node.folder)
        try:
            node.script("start", node.folder, node.output("fresh"), **environment)
        except Exception:
            node.close()
            raise
        return node

    def output(self, *arguments):
        done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"rabbit {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done.stdout.strip()

    def script(self, action, *arguments, **environment):
        # The node would keep a pipe of ours open: its output goes to its own files.
        subprocess.run([SCRIPT, action, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120,
                       check=True, env={**os.environ, **environment})

    def start(self):
        self.script("start", self.folder)

    def stop(self):
        self.script("stop", self.folder)

    def kill(self):
        self.script("kill", self.folder)

    def wipe(self):
        self.script("wipe", self.folder)

    def url(self, vhost="/"):
        base = os.environ["DULY_TEST_AMQP"] if not self.own else self.output("url", self.folder)
        return base.rpartition("/")[0] + "/" + vhost.replace("/", "%2f")

    def connect(self, vhost="/"):
        return amqp.Connection(self.url(vhost))

    def vhost(self):
        """An empty one.  They are made a dozen at once: rabbitmqctl takes its time to start."""
        if not self.spare:
            names = [f"t-{random.randrange(1 << 40):010x}" for _ in range(VHOSTS_AT_ONCE)]
            listed = ",".join(f'<<"{name}">>' for name in names)
            self.output("ctl", self.folder, "eval",
                        f"[begin rabbit_vhost:add(V, <<\"t\">>), rabbit_auth_backend_internal:set_permissions("
                        f"<<\"guest\">>, V, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"t\">>) end || V <- [{listed}]].")
            self.spare = names
        return self.spare.pop()

    def drop_vhosts(self):
        """Those of this run, on a node that others use too."""
        self.output("ctl", self.folder, "eval",
                    '[rabbit_vhost:delete(V, <<"t">>) || V <- rabbit_vhost:list_names(), '
                    'binary:match(V, <<"t-">>) =:= {0,2}].')

    def close(self):
        if os.path.exists(os.path.join(self.folder, "port")):
            self.script("stop", self.folder)
        if self.guard:
            self.guard.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Trio:
    """Three nodes that are one cluster.  Where a test wants a node this is one: with three URLs."""
    own = True

    def __init__(self, **environment):
        self.folder = tempfile.mkdtemp(prefix="duly-trio-")
        self.guard = Guard("end-cluster", self.folder)
        try:
            subprocess.run([SCRIPT, "cluster", self.folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           timeout=240, check=True, env={**os.environ, **environment})
        except Exception:
            self.close()
            raise
        self.nodes = [Node(os.path.join(self.folder, number)) for number in "123"]

    def url(self, vhost="/"):
        return ",".join(node.url(vhost) for node in self.nodes)

    def port(self, node):
        return int(node.url().rpartition("/")[0].rpartition(":")[2])

    def node_at(self, port):
        return next(node for node in self.nodes if self.port(node) == port)

    def others(self, node):
        return [other for other in self.nodes if other is not node]

    def close(self):
        self.guard.close()
        shutil.rmtree(self.folder, ignore_errors=True)
