"""The servers that peers need: each on loopback, on a port and in a folder of its own, ended by pid.  Always an empty one."""
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from lib.process import Process, eventually, free_port

STARTS_IN_S = 30


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A process with a folder and a port; `arguments` says how it is started."""
    name, end_signal = "", signal.SIGKILL

    def __init__(self, **settings):
        self.folder, self.port, self.process = tempfile.mkdtemp(prefix=f"duly-{self.name}-"), free_port(), None
        self.settings = settings

    def __enter__(self):
        try:
            self.process = Process(self.name, self.arguments(), os.path.join(self.folder, "log"))
            eventually(f"{self.name} answers", self.up, STARTS_IN_S)
            return self
        except BaseException:
            self.close()
            raise

    def up(self):
        if not self.process.running():
            raise RuntimeError(self.process.tail())
        return answers(self.port)

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process is not None:
            self.process.signal(self.end_signal)
            self.process.child.wait(STARTS_IN_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        return tree(self.process.pid)

    def where(self):
        """What an adapter has to know."""
        return {"port": self.port}


class Redis(Server):
    """With an append-only file; `appendfsync`: `everysec`, as it is shipped, or `always`."""
    name = "redis"

    def arguments(self):
        # Snapshots are off, as usual with an append-only file; nothing is evicted, as job systems demand.
        return [installed("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder, "--appendonly",
                "yes", "--appendfsync", self.settings["appendfsync"], "--save", "", "--maxmemory-policy", "noeviction"]


class Beanstalkd(Server):
    """With a binlog that is synced at each write, before the client is answered."""
    name = "beanstalkd"

    def arguments(self):
        return [installed("beanstalkd"), "-l", "127.0.0.1", "-p", str(self.port), "-b", self.folder, "-f0"]


class Postgres(Server):
    """As it is shipped: synchronous_commit on, 128 MB of shared buffers.  It refuses to be root."""
    name, end_signal = "postgres", signal.SIGQUIT  # at once, and its shared memory with it

    def arguments(self):
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL"] if os.geteuid() == 0 else []
        if as_user:
            shutil.chown(self.folder, "postgres", "postgres")
        data = os.path.join(self.folder, "data")
        subprocess.run([*as_user, postgres_program("initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-sync"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60, cwd=self.folder)
        return [*as_user, postgres_program("postgres"), "-D", data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                "-c", f"unix_socket_directories={self.folder}"]

    def up(self):
        return super().up() and subprocess.run(
            [postgres_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode == 0

    def where(self):
        return {"url": f"postgres://bench@127.0.0.1:{self.port}/postgres"}


class Broker:
    """A vhost of its own in the RabbitMQ of this run, which Duly uses too."""
    name = "rabbitmq"

    def __init__(self, node):
        self.node = node

    def __enter__(self):
        self.vhost = self.node.vhost()
        return self

    def __exit__(self, *_):
        # The vhosts of a node are many and hold what was left in them: that would be in the next one's memory.
        self.node.output("ctl", self.node.folder, "delete_vhost", self.vhost)

    def pids(self):
        return broker_pids(self.node)

    def where(self):
        return {"url": self.node.url(self.vhost)}

    def depth(self):
        """Messages of the queue of Celery, those that are not acknowledged among them."""
        listed = self.node.output("ctl", self.node.folder, "-q", "list_queues", "-p", self.vhost, "name", "messages")
        return sum(int(line.split()[1]) for line in listed.splitlines() if line.split()[:1] == ["celery"])


def broker_pids(node):
    with open(os.path.join(node.folder, "pid"), encoding="ascii") as pid:
        return tree(int(pid.read()))


def installed(name):
    """Its path; daemons lie where not every user's PATH leads."""
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError(f"{name} is not installed")
    return path


def postgres_program(name):
    """Of the newest version that is there; Debian has it beside the PATH."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: int(path.split("/")[4]))
    return found[-1] if found else installed(name)


def tree(pid):
    """A process and those it has started, and those they have."""
    try:
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    except OSError:
        children = ""
    return [pid] + [one for child in children.split() for one in tree(int(child))]


def memory_mb(pids):
    """Resident, what several processes share counted once: PostgreSQL's buffers are in each of its processes."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except OSError:
            pass  # it has just ended
    return total / 1024
