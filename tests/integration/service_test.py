"""Under a service manager (Type=notify, WatchdogSec=), and `config check`: what is told before, while and after it runs."""
import os
import signal
import stat
import subprocess

from lib.cluster import TestCase
from lib.process import free_port, program
from lib.service import Manager

WATCHDOG_S = 0.6


class UnderAManager(TestCase):
    def setUp(self):
        self.manager = Manager(WATCHDOG_S)
        self.addCleanup(self.manager.close)
        # What is started from here inherits it.
        os.environ.update(self.manager.environment)
        self.addCleanup(self.clear)
        self.cluster = self.new_cluster()

    def clear(self):
        for name in self.manager.environment:
            os.environ.pop(name, None)

    def test_server_says_ready_alive_reloading_and_stopping(self):
        self.cluster.start_server(ready=False)
        self.manager.wait_for("READY=1")
        self.assertEqual(200, self.cluster.api.ask("GET", "/livez").status, "ready means that it listens")
        for _ in range(3):
            self.manager.wait_for("WATCHDOG=1")
        # Without files to read again SIGHUP would have ended it; under a manager it is how one says "reload".
        self.cluster.server.signal(signal.SIGHUP)
        self.manager.wait_for("RELOADING=1")
        self.manager.wait_for("READY=1")
        self.assertEqual(0, self.cluster.server.terminate(), self.cluster.server.tail())
        self.manager.wait_for("STOPPING=1")

    def test_agent_says_ready_alive_and_stopping(self):
        agent = self.cluster.start_agent("a-1")
        self.manager.wait_for("READY=1")
        for _ in range(2):
            self.manager.wait_for("WATCHDOG=1")
        self.assertEqual(0, agent.terminate(), agent.tail())
        self.manager.wait_for("STOPPING=1")


class ConfigCheck(TestCase):
    def setUp(self):
        self.cluster = self.new_cluster()

    def check(self, name, *flags):
        done = subprocess.run([program(name), "config", "check", *flags], capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr

    def server(self, *flags):
        return self.check("duly-server", *self.cluster.server_arguments(), *flags)

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.cluster.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def test_good_and_changes_nothing(self):
        code, said = self.server("--connect")
        self.assertEqual(0, code, said)
        self.assertIn("ok    store: none yet", said)
        self.assertIn("lets us in", said)
        self.assertFalse(os.path.exists(self.cluster.data), "a check makes no folder")
        self.cluster.start_server()
        before = sorted(os.listdir(self.cluster.data))
        code, said = self.server()
        self.assertEqual(0, code, said)
        self.assertIn("ok    store: its log is not merged yet", said)
        self.assertEqual(before, sorted(os.listdir(self.cluster.data)))
        self.cluster.server.terminate()
        code, said = self.server()
        self.assertEqual(0, code, said)
        self.assertRegex(said, r"ok    store: format \d+\n")

    def test_each_thing_that_is_wrong_is_named(self):
        keys = self.file("keys", "not a line of a key\n")
        tokens = self.file("tokens", "0123456789abcdef0123\n", 0o644)
        code, said = self.server("--api-keys", keys, "--agent-token-file", tokens)
        self.assertEqual(1, code, said)
        for what in ("BAD   api-keys: " + keys, "BAD   agent-token-file: " + tokens):
            self.assertIn(what, said)
        self.assertNotIn("0123456789abcdef0123", said)

    def test_what_a_start_would_refuse_it_refuses_in_the_same_words(self):
        for flags, code in ((["--http", "nonsense"], 2), (["--http", f"0.0.0.0:{free_port()}"], 1), (["--keep-ms", "1"], 2),
                            (["--amqp", "amqps://localhost", "--amqp-ca", "/nowhere/ca.pem"], 2)):
            checked = self.server(*flags)
            started = subprocess.run([program("duly-server"), *self.cluster.server_arguments(), *flags], capture_output=True,
                                     text=True, timeout=30, check=False)
            self.assertEqual((code, started.stderr), checked)
            self.assertEqual(code, started.returncode)

    def test_a_store_that_is_none_or_too_new(self):
        os.makedirs(self.cluster.data)
        path = os.path.join(self.cluster.data, "duly.db")
        with open(path, "wb") as file:
            file.write(b"something else" * 20)
        self.assertIn("is no store", self.server()[1])
        with open(path, "wb") as file:
            file.write(b"SQLite format 3\0" + bytes(44) + (9999).to_bytes(4, "big") + bytes(36))
        code, said = self.server()
        self.assertEqual(1, code)
        self.assertIn("schema version 9999, newer than this program's", said)

    def test_agent(self):
        folder = os.path.join(self.cluster.folder, "made", "later")
        flags = ["--amqp", self.cluster.amqp, "--connect"]
        code, said = self.check("duly-agent", *flags, "--append-dir", folder, "--allow-exec", "/bin/true")
        self.assertEqual(0, code, said)
        self.assertFalse(os.path.exists(folder))
        plain = self.file("plain", "x")
        os.chmod(plain, stat.S_IRUSR)
        code, said = self.check("duly-agent", "--amqp", f"amqp://guest:guest@127.0.0.1:{free_port()}", "--connect",
                                "--allow-exec", plain)
        self.assertEqual(1, code, said)
        self.assertIn(f"BAD   allow-exec: {plain}: may not be run", said)
        self.assertIn("BAD   amqp: connect", said)

    def test_manual_pages_are_well_formed(self):
        for name in ("duly-server", "duly-agent"):
            page = subprocess.run([program(name), "man"], capture_output=True, text=True, timeout=30, check=True).stdout
            self.assertTrue(page.isascii())
            for flag in ("drain-ms", "amqp", "config"):
                self.assertIn(flag.replace("-", "\\-"), page)
            read = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-z"], input=page, capture_output=True, text=True, timeout=30,
                                  check=True)
            self.assertEqual("", read.stderr)
