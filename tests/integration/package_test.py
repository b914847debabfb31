"""The Debian packages on a copy of this system: installed, started as their units say, upgraded, removed, purged."""
import glob
import json
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

from lib.api import Api
from lib.process import ROOT, Process, free_port
from lib.rabbit import Node
from lib.sandbox import Sandbox
from lib.service import Manager, Unit

WATCHDOG_S = 0.9
LONG_S = 300  # dpkg on a machine that does much else


def make_packages(folder, *options):
    done = subprocess.run([os.path.join(ROOT, "scripts", "package"), "--built", "--into", folder, *options], text=True,
                          capture_output=True, timeout=LONG_S, check=False)
    if done.returncode != 0:
        raise AssertionError("scripts/package: " + done.stdout + done.stderr)
    return done.stdout.split()


class DebianPackages(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="duly-package-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.box = Sandbox()
        self.addCleanup(self.box.close)
        self.box.run("rm", "-f", "/var/lib/man-db/auto-update")  # the index of all pages is not what is tried
        self.node = Node.shared()
        self.http, self.link = free_port(), free_port()
        self.api = Api(self.http)
        self.managers = {}

    # ---- what an administrator and systemd do

    def install(self, *options, names=None):
        made = make_packages(os.path.join(self.folder, "made" + "".join(options)), *options)
        inside = []
        for path in made:
            shutil.copy(path, self.box.path("/opt"))
            inside.append("/opt/" + os.path.basename(path))
        self.box.run("dpkg", "--install", *inside, seconds=LONG_S)
        return [os.path.basename(path) for path in made]

    def configure(self, name, **flags):
        with open(self.box.path(f"/etc/duly/{name}.env"), "a", encoding="utf-8") as file:
            for flag, value in flags.items():
                file.write(f"DULY_{flag.upper()}={value}\n")

    def unit(self, name):
        return Unit(self.box.path(f"/lib/systemd/system/duly-{name}.service"))

    def start(self, name):
        """As the unit says."""
        unit, manager = self.unit(name), Manager(WATCHDOG_S)
        self.assertEqual("notify", unit.one("Type"))
        environment = {**unit.environment(self.box.root), **manager.environment}
        process = Process(name, self.box.command(*unit.one("ExecStart").split(), user=unit.one("User"), environment=environment),
                          os.path.join(self.folder, name + ".log"))
        self.addCleanup(process.end)
        self.addCleanup(manager.close)
        try:
            manager.wait_for("READY=1")
            manager.wait_for("WATCHDOG=1")
            manager.wait_for("WATCHDOG=1")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{process.tail()}") from None
        return process, manager

    def stop(self, process, manager):
        manager.catch_up()  # during an upgrade nobody has read
        self.assertEqual(0, process.terminate(30), process.tail())
        manager.wait_for("STOPPING=1")

    def exists(self, path):
        return os.path.lexists(self.box.path(path))

    def status_of(self, package):
        return self.box.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package, check=False).stdout

    # ---- the life of an installation

    def test_life_of_an_installation(self):
        made = self.install()
        self.assertEqual(5, len(made), made)
        self.check_what_is_installed()
        self.check_units()
        command = self.check_that_it_works()
        self.check_upgrade(command)
        self.check_removal()

    def check_what_is_installed(self):
        for package in ("duly-server", "duly-agent", "duly", "libduly-dev"):
            self.assertRegex(self.status_of(package), r"^installed \d+\.\d+\.\d+-1$", package)
        for path in ("/usr/bin/duly", "/usr/share/man/man1/duly.1.gz", "/usr/share/man/man1/duly-server.1.gz",
                     "/usr/share/man/man1/duly-agent.1.gz", "/usr/share/bash-completion/completions/duly",
                     "/usr/share/zsh/vendor-completions/_duly", "/usr/include/duly/client.h", "/usr/share/duly/openapi.yaml",
                     "/usr/share/doc/duly-server/copyright"):
            self.assertTrue(self.exists(path), path)
        for name, user in (("server", "duly"), ("agent", "duly-agent")):
            mode = os.stat(self.box.path(f"/etc/duly/{name}.env"))
            self.assertEqual(0o640, stat.S_IMODE(mode.st_mode))
            group = self.box.run("stat", "-c", "%U:%G", f"/etc/duly/{name}.env").stdout.strip()
            self.assertEqual("root:" + user, group)
        self.assertIn("duly-client", self.box.run("ldconfig", "-p").stdout)
        # The server is enabled; what an agent may run is for its operator to say first.
        wanted = "/etc/systemd/system/multi-user.target.wants/"
        self.assertTrue(self.exists(wanted + "duly-server.service"))
        self.assertFalse(self.exists(wanted + "duly-agent.service"))

    def check_units(self):
        for name in ("server", "agent"):
            path = f"/lib/systemd/system/duly-{name}.service"
            found = self.box.run("systemd-analyze", "verify", "--man=no", path, check=False)
            self.assertEqual((0, ""), (found.returncode, found.stderr))
            # 0 is a locked box and 100 an ordinary program.
            seen = self.box.run("systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", path, check=False)
            self.assertEqual(0, seen.returncode, seen.stdout[-300:] + seen.stderr)

    def check_that_it_works(self):
        amqp = self.node.url(self.node.vhost())
        self.configure("server", http=f"127.0.0.1:{self.http}", link=f"127.0.0.1:{self.link}", amqp=amqp)
        self.configure("agent", link=f"127.0.0.1:{self.link}", amqp=amqp)
        for name in ("server", "agent"):
            unit = self.unit(name)
            found = self.box.run(f"/usr/bin/duly-{name}", "config", "check", "--connect", user=unit.one("User"),
                                 environment=unit.environment(self.box.root))
            self.assertIn("it would start", found.stdout)
        self.server = self.start("server")
        agent = self.start("agent")
        done = self.box.run("duly", "--server", f"http://127.0.0.1:{self.http}", "submit", "builtin.echo", "--payload", "[1]",
                            "--wait", "30000", "--output", "json")
        self.assertEqual("succeeded", json.loads(done.stdout)["state"])
        self.stop(*agent)
        return self.api.submit("builtin.echo", delay_ms=86_400_000)["id"]

    def check_upgrade(self, command):
        made = self.install("--version", "0.1.99", "--only", "server")
        self.assertEqual(["duly-server_0.1.99-1_amd64.deb"], [name.replace("arm64", "amd64") for name in made])
        self.assertEqual("installed 0.1.99-1", self.status_of("duly-server"))
        # What systemd does at the end of the upgrade.
        self.stop(*self.server)
        self.server = self.start("server")
        self.assertEqual("scheduled", self.api.get(f"/v1/commands/{command}")["state"])
        with open(self.box.path("/etc/duly/server.env"), encoding="utf-8") as file:
            self.assertIn(f"DULY_HTTP=127.0.0.1:{self.http}", file.read(), "the configuration is kept")
        self.stop(*self.server)

    def check_removal(self):
        self.box.run("dpkg", "--remove", "duly-server", "duly-agent", seconds=LONG_S)
        for path in ("/usr/bin/duly-server", "/lib/systemd/system/duly-server.service", "/usr/bin/duly-agent"):
            self.assertFalse(self.exists(path), path)
        for path in ("/var/lib/duly/duly.db", "/etc/duly/server.env"):
            self.assertTrue(self.exists(path), path + " is kept when the package is removed")
        self.box.run("dpkg", "--purge", "duly-server", "duly-agent", seconds=LONG_S)
        for path in ("/var/lib/duly", "/var/lib/duly-agent", "/etc/duly", "/etc/systemd/system/duly-server.service"):
            self.assertFalse(self.exists(path), path + " goes when it is purged")
        self.assertEqual([], glob.glob(self.box.path("/etc/systemd/system/*.wants/duly*")))
