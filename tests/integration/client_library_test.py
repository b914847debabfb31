"""What `cmake --install` puts into a prefix, and a project outside of the tree that finds the client library there."""
import os
import re
import shutil
import subprocess
import tempfile

from lib.cluster import TestCase
from lib.process import BIN, ROOT, eventually, free_port

BUILD = os.path.dirname(BIN)
PROGRAMS = ("duly-server", "duly-agent", "duly")
SECONDS = 300


def run(*words, cwd=None):
    done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


class Installed(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="duly-prefix-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.prefix = os.path.join(cls.folder, "prefix")
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)

    def at(self, *parts):
        return os.path.join(self.prefix, *parts)

    def library(self):
        found = [os.path.join(folder, name) for folder, _, names in os.walk(self.at("lib")) for name in names
                 if re.fullmatch(r"libduly-client\.so\.\d+\.\d+\.\d+", name)]
        self.assertEqual(1, len(found), found)
        return found[0]

    def test_everything_is_where_it_belongs(self):
        for path in ("share/man/man1/duly.1", "share/man/man1/duly-server.1", "share/man/man1/duly-agent.1", "etc/duly/server.env",
                     "share/bash-completion/completions/duly", "share/zsh/site-functions/_duly", "share/duly/openapi.yaml",
                     "share/duly/submit-message.schema.json", "include/duly/client.h", "lib/systemd/system/duly-agent.service"):
            self.assertTrue(os.path.isfile(self.at(path)), path)
        for name in PROGRAMS:
            self.assertTrue(run(self.at("bin", name), "--version").startswith(name + " "))
        with open(self.at("lib/systemd/system/duly-server.service"), encoding="utf-8") as unit:
            text = unit.read()
        self.assertIn(f"ExecStart={self.at('bin/duly-server')}\n", text)
        self.assertNotIn("=-/etc/", text)

    def test_hardened(self):
        for path in (*(self.at("bin", name) for name in PROGRAMS), self.library()):
            segments = run("readelf", "-lhW", path)
            self.assertRegex(segments, r"Type:\s+DYN", f"{path} is loaded anywhere")
            self.assertIn("GNU_RELRO", segments, path)
            stack = re.search(r"GNU_STACK\s+(?:0x\w+\s+){5}(\w+)", segments)
            self.assertEqual("RW", stack.group(1), f"the stack of {path} cannot be executed")
            self.assertRegex(run("readelf", "-dW", path), r"FLAGS.*\bNOW\b", f"{path} is bound at its start")
            symbols = run("readelf", "--dyn-syms", "-W", path)
            self.assertIn("__stack_chk_fail", symbols, path)
            self.assertRegex(symbols, r"__\w+_chk@", f"{path} is built with _FORTIFY_SOURCE")
            if "X86-64" in segments:
                code = run("objdump", "-d", "--no-show-raw-insn", path)
                self.assertGreater(code.count("endbr64"), 100, f"the branches of {path} are protected")

    def test_library_shows_its_own_names_and_no_others(self):
        shown = run("nm", "-DC", "--defined-only", self.library()).splitlines()
        names = [line.split(" ", 2)[2] for line in shown]
        self.assertTrue(any(name.startswith("duly::client::Client::submit(") for name in names), names)
        self.assertEqual([], [name for name in names if "duly::client::" not in name])

    def test_a_project_outside_finds_it_and_works(self):
        project = os.path.join(self.folder, "consumer")
        shutil.copytree(os.path.join(ROOT, "tests", "package", "consumer"), project)
        run("cmake", "-S", project, "-B", project + "/build", f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DDULY_EXAMPLE={self.at('share/duly/examples/client')}", "-DCMAKE_BUILD_TYPE=Debug")
        run("cmake", "--build", project + "/build", "-j", "2")
        cluster = self.new_cluster()
        cluster.start_server()
        cluster.start_agent("a-1", queues="default,by-message")
        # Before the queue is bound for the first time, there is no exchange to publish to.
        with cluster.connect() as amqp:
            eventually("the queue is consumed", lambda: amqp.depth("duly.submit") == (0, 1), 20)
        server = f"http://127.0.0.1:{cluster.http_port}"
        said = run(project + "/build/consumer", server, cluster.amqp, f"http://127.0.0.1:{free_port()}",
                   cluster.node.url(cluster.node.vhost()))
        self.assertIn("all holds", said)
        # 300 messages, one of them without a type, each published by two threads: one command each.
        found = self.wait("the messages are commands", lambda: self.by_message(cluster), 30)
        self.assertEqual(299, len(found))
        self.assertIn("is confirmed", run(project + "/build/hello", server, cluster.amqp))

    @staticmethod
    def by_message(cluster):
        found = cluster.api.walk(queue="by-message")
        with cluster.connect() as amqp:
            settled = amqp.depth("duly.submit") == (0, 1)
        return found if settled and len(found) >= 299 else None
