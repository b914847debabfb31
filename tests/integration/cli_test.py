"""The command line as people meet it: in a terminal, in a shell that completes it, as a manual page."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import termios
import time
import unittest

from lib.api import in_ms
from lib.cluster import TestCase
from lib.process import die_with_parent, free_port, program, run_once

DULY = program("duly")
LEAVES = b"\x1b[?25h\x1b[?1049l"


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *arguments, columns=100, rows=30, **environment):
        self.ours, self.theirs = pty.openpty()
        termios.tcsetwinsize(self.theirs, (rows, columns))
        self.found = termios.tcgetattr(self.theirs)
        self.seen = b""

        def take_terminal():
            die_with_parent()
            os.login_tty(self.theirs)
        self.child = subprocess.Popen([DULY, *arguments], preexec_fn=take_terminal, close_fds=False,
                                      env={**os.environ, "TERM": "xterm", **environment})

    def read(self, seconds=0.05):
        while select.select([self.ours], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.ours, 65536)
            except OSError:
                return self.seen
            seconds = 0
        return self.seen

    def until(self, text, seconds=20):
        deadline = time.monotonic() + seconds
        while text not in self.read():
            if time.monotonic() > deadline:
                raise AssertionError(f"no {text!r} within {seconds} s, but {self.seen!r}")
        return self.seen

    def press(self, keys):
        os.write(self.ours, keys)

    def end(self, seconds=15):
        """The exit code; what was printed last is in `seen`."""
        deadline = time.monotonic() + seconds
        while self.child.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read()
        return self.child.wait(1)

    def as_found(self):
        return termios.tcgetattr(self.theirs) == self.found

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.ours)
        os.close(self.theirs)


def unread_bytes(port):
    """What has come to this port of the machine and has not been read, as the kernel tells it."""
    unread = 0
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in list(table)[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port:
                unread += int(fields[4].rpartition(":")[2], 16)
    return unread


class InShells(unittest.TestCase):
    def bash(self, *words):
        script = ('source <("$0" completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _duly; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "--norc", "-c", script, DULY, *words], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return set(filter(None, done.stdout.split("\n")))

    def zsh(self, *words):
        script = '''
            compdef() { : }
            _files() { print FILES }
            compadd() { shift; print -l -- "$@" }
            compset() { PREFIX=${PREFIX#*=} }
            _describe() { local name=$@[-1]; print -l -- ${(P)name} }
            source <("$0" completion zsh)
            words=("$@"); CURRENT=$#; PREFIX=$@[-1]
            _duly'''
        done = subprocess.run(["zsh", "-f", "-c", script, DULY, *words], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return set(filter(None, done.stdout.split("\n")))

    def test_bash(self):
        self.assertEqual(self.bash("duly", "sched"), {"schedules"})
        self.assertLessEqual({"submit", "list", "top", "completion"}, self.bash("duly", ""))
        self.assertEqual(self.bash("duly", "schedules", "ba"), {"backfill"})
        self.assertEqual(self.bash("duly", "list", "--sta"), {"--state"})
        self.assertLessEqual({"--watch", "--server", "--output"}, self.bash("duly", "list", "--"))
        self.assertEqual(self.bash("duly", "list", "--output", ""), {"table", "json"})
        self.assertEqual(self.bash("duly", "list", "--output", "=", "j"), {"json"})
        self.assertEqual(self.bash("duly", "--output", "json", "list", "--state", "sch"), {"scheduled"})
        self.assertEqual(self.bash("duly", "crash", "agent", "--mode", "h"), {"hang"})
        self.assertEqual(self.bash("duly", "list", "--queue", ""), set())
        # A value that is the name of a command is none.
        self.assertEqual(self.bash("duly", "submit", "--queue", "list", "--due-b"), set())
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "some.ndjson")
            with open(path, "w", encoding="ascii"):
                pass
            self.assertEqual(self.bash("duly", "load", folder + "/so"), {path})
            self.assertEqual(self.bash("duly", "--config", folder + "/so"), {path})

    def test_zsh(self):
        commands = self.zsh("duly", "")
        self.assertIn("submit:Submit one command", commands)
        self.assertIn("backfill:Make the commands of past fires that have none, from FROM until before TO",
                      self.zsh("duly", "schedules", ""))
        flags = self.zsh("duly", "list", "--")
        self.assertLessEqual({"--state:only in this state", "--server:URL of the server"}, flags)
        self.assertEqual(self.zsh("duly", "list", "--output", ""), {"table", "json"})
        self.assertEqual(self.zsh("duly", "list", "--output=j"), {"table", "json"})
        self.assertEqual(self.zsh("duly", "load", ""), {"FILES"})
        self.assertEqual(self.zsh("duly", "list", "--queue", ""), set())

    def test_only_known_shells(self):
        done = run_once("duly", "completion", "fish")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))

    def test_the_manual_page_has_no_fault(self):
        page = run_once("duly", "man").stdout
        shown = subprocess.run(["man", "--warnings", "-l", "-"], input=page, capture_output=True, text=True, check=False,
                               env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100"})
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        strict = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, text=True, check=False)
        self.assertEqual((strict.returncode, strict.stderr), (0, ""))
        text = re.sub(r".\x08", "", shown.stdout)
        for part in ("NAME", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "schedules backfill", "--output table|json",
                     "DULY_SOME_FLAG"):
            self.assertIn(part, text)


class InTerminals(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server()
        cls.cluster.start_agents("a-1", "a-2")
        cls.url = f"http://127.0.0.1:{cls.cluster.http_port}"

    def duly(self, *arguments):
        return run_once("duly", "--server", self.url, *arguments, seconds=60)

    def terminal(self, *arguments, **settings):
        terminal = Terminal("--server", self.url, *arguments, **settings)
        self.addCleanup(terminal.close)
        return terminal

    # ---- top

    def test_top_draws_and_leaves_the_terminal_as_it_was(self):
        terminal = self.terminal("top", "--interval-ms", "200")
        terminal.until(b"a-1")
        self.assertFalse(terminal.as_found(), "it reads keys as they are pressed")
        terminal.until(b"EXECUTED/s")
        before = len(terminal.seen)
        self.wait("it draws again", lambda: len(terminal.read()) > before + 500)
        terminal.press(b"x")
        self.assertIsNone(terminal.child.poll())
        terminal.press(b"q")
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(terminal.seen.endswith(LEAVES), terminal.seen[-40:])
        self.assertTrue(terminal.as_found())

    def test_top_fits_the_window(self):
        terminal = self.terminal("top", columns=40, rows=8)
        terminal.until(b"shards")
        terminal.press(b"q")
        self.assertEqual(terminal.end(), 0)
        picture = terminal.seen.split(b"\x1b[H")[-1].split(b"\x1b[J")[0]
        lines = re.split(r"\r+\n", re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", picture).decode())
        self.assertLessEqual(len(lines), 8)
        self.assertLessEqual(max(map(len, lines)), 40)

    def test_signals_end_top_and_give_the_terminal_back(self):
        for number, code in ((signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGHUP, 128 + signal.SIGHUP)):
            terminal = self.terminal("top")
            terminal.until(b"a-1")
            terminal.child.send_signal(number)
            self.assertEqual(terminal.end(), code)
            self.assertTrue(terminal.seen.endswith(LEAVES))
            self.assertTrue(terminal.as_found())

    def test_the_keyboards_interrupt_works_while_the_server_is_silent(self):
        terminal = self.terminal("top", "--interval-ms", "100")
        terminal.until(b"a-1")
        self.cluster.server.signal(signal.SIGSTOP)
        self.addCleanup(self.cluster.server.signal, signal.SIGCONT)
        self.wait("a question lies unread", lambda: unread_bytes(self.cluster.http_port) > 0)
        terminal.press(b"\x03")
        self.assertEqual(terminal.end(5), 0)
        self.assertTrue(terminal.as_found())
        self.cluster.server.signal(signal.SIGCONT)
        self.cluster.shards_even()

    def test_top_without_a_terminal(self):
        refused = self.duly("top")
        self.assertEqual((refused.returncode, refused.stdout), (2, ""))
        self.assertIn("--once", refused.stderr)
        once = self.duly("top", "--once")
        self.assertEqual((once.returncode, once.stderr), (0, ""))
        self.assertNotIn("\x1b", once.stdout)
        self.assertRegex(once.stdout, r"(?m)^shards +[AB]{16}$")
        self.assertRegex(once.stdout, r"(?m)^A +a-1 +live +8 ")
        facts = json.loads(self.duly("top", "--once", "--output", "json").stdout)
        self.assertEqual(len(facts["shards"]), 16)
        self.assertEqual(self.duly("top", "--output", "json").returncode, 2)

    # ---- --watch

    def test_watch_draws_again(self):
        terminal = self.terminal("agents", "--watch", "--interval-ms", "100")
        terminal.until(b"a-2")
        first = terminal.seen.count(b"IN FLIGHT")
        self.wait("it draws again", lambda: terminal.read().count(b"IN FLIGHT") > first + 2)
        terminal.press(b"q")
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(terminal.seen.endswith(LEAVES))
        self.assertTrue(terminal.as_found())

    def test_watch_in_a_pipe_goes_on_without_drawing(self):
        for words in (["shards"], ["stats"], ["list"], ["queues"], ["schedules"], ["workflows"], ["operations"]):
            child = subprocess.Popen([DULY, "--server", self.url, *words, "--watch", "--interval-ms", "100", "--output", "json"],
                                     stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
            with child:
                documents = [json.loads(child.stdout.readline()) for _ in range(3)]
                child.terminate()
            self.assertEqual(len(documents), 3, words)

    def test_what_fails_at_first_is_told_where_it_can_be_read(self):
        terminal = self.terminal("agents", "nobody", "--watch")
        self.assertEqual(terminal.end(), 3)
        self.assertIn(b"duly: 404", terminal.seen.split(LEAVES)[-1])

    # ---- many at a time

    def test_a_filter_cancels_many_and_shows_how_far_it_is(self):
        self.api.batch([{"type": "builtin.noop", "queue": "many", "delay_ms": 3600_000}] * 500)
        counted = json.loads(self.duly("cancel", "--queue", "many", "--dry-run", "--output", "json").stdout)
        self.assertEqual((counted["state"], counted["matched"], counted["changed"]), ("done", 500, 0), counted)
        terminal = self.terminal("cancel", "--queue", "many", "--output", "json")
        self.assertEqual(terminal.end(30), 0)
        self.assertIn(b"500 matched, 500 changed, 0 skipped", terminal.seen)
        listed = self.duly("operations")
        self.assertRegex(listed.stdout, r"op_\S+ +cancel +done +false +500 +500 +0 ")
        self.assertEqual(self.duly("operations", "stop", counted["id"]).returncode, 1)

    def test_which_commands_is_said_and_not_guessed(self):
        for words in (["cancel"], ["cancel", "cmd_1", "--all"], ["retry", "--state", "dead", "--payload", "1"]):
            done = self.duly(*words)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done)
        keep = self.api.submit(delay_ms=3600_000, queue="kept")["id"]
        done = subprocess.run([DULY, "--server", self.url, "cancel"], env={**os.environ, "DULY_QUEUE": "kept", "DULY_ALL": "1"},
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(self.api.command(keep)["state"], "scheduled")

    def test_a_backfill_goes_on_until_its_end(self):
        begin, end = in_ms(-48 * 3600_000), in_ms(-23 * 3600_000 - 5000)
        self.api.want(201, "POST", "/v1/schedules", {"name": "past", "every_ms": 60_000, "start_at": begin,
                                                     "catch_up": {"policy": "skip"}, "command": {"type": "builtin.noop"}})
        words = ("schedules", "backfill", "past", "--from", begin, "--to", end)
        terminal = self.terminal(*words, "--output", "json")
        self.assertEqual(terminal.end(40), 0)
        self.assertIn(b"100% 1500 created", terminal.seen)
        again = json.loads(self.duly(*words, "--output", "json").stdout)
        self.assertEqual(again, {"created": 0, "existing": 1500, "next_from": None})

    def test_a_load_has_its_bar(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "load.ndjson")
            with open(path, "w", encoding="ascii") as file:
                file.write('{"type": "builtin.noop"}\n' * 2500)
            terminal = self.terminal("load", path)
            self.assertEqual(terminal.end(40), 0)
        self.assertIn(b"] 100% 2500 accepted", terminal.seen)
        self.assertIn(b"2500 accepted, 0 of them already known", terminal.seen)

    # ---- errors

    def test_errors_say_what_may_help(self):
        gone = run_once("duly", "--server", f"http://127.0.0.1:{free_port()}", "list")
        self.assertEqual(gone.returncode, 1)
        self.assertIn("  hint: --server URL or DULY_SERVER", gone.stderr)
        missing = self.duly("get", "cmd_0000000000001")
        self.assertEqual(missing.returncode, 3)
        self.assertIn("  hint: duly list", missing.stderr)
        wrong = self.duly("list", "--sate", "dead")
        self.assertEqual((wrong.returncode, wrong.stderr.count("\n")), (2, 1))
        self.assertIn("did you mean --state? (duly list --help)", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
