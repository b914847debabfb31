"""API keys: who may do what, new keys, reading the file again, and that no key is ever in a log."""
import functools
import os
import re
import signal
import socket
import subprocess
import unittest

from lib.cluster import Cluster, TestCase
from lib.events import Stream
from lib.process import free_port, program, run_once

ROLES = ("read", "submit", "operator", "admin")
# A request, and the least role that it needs.
ASKED = [("GET", "/v1/commands", None, "read"), ("GET", "/v1/events?state=lost", None, "read"),
         ("GET", "/metrics", None, "read"), ("POST", "/v1/commands", {"type": "t", "delay_ms": 86400000}, "submit"),
         ("PUT", "/v1/queues/default", {"paused": False}, "operator"), ("GET", "/v1/audit", None, "admin"),
         ("POST", "/v1/commands/cancel", {"queue": "nobody", "dry_run": True}, "operator"),
         ("POST", "/v1/server/simulate-crash", {"mode": "kill", "point": "link.before-reply", "after": 1000000}, "admin")]


def new_key(name, role, *rate):
    """(key, line) as `duly-server keys new` prints them."""
    done = run_once("duly-server", "keys", "new", name, role, *rate)
    found = re.fullmatch(r"key:  (duly_[0-9a-f]{64})\nline: (\S+ \S+ [0-9a-f]{64}(?: rate=\S+)?)\n", done.stdout)
    assert done.returncode == 0 and found, done
    return found[1], found[2]


class Keys(TestCase):
    def setUp(self):
        self.cluster = self.new_cluster()
        self.file = os.path.join(self.cluster.folder, "keys")
        self.keys = {}
        self.write(*ROLES)

    def write(self, *roles, more=""):
        lines = []
        for role in roles:
            self.keys[role], line = new_key("the-" + role, role)
            lines.append(line)
        with open(self.file, "w", encoding="ascii") as text:
            text.write("\n".join(["# keys of a test", *lines, more, ""]))

    def start(self):
        return self.cluster.start_server("--api-keys", self.file, "--log-level", "debug")

    def ask(self, key, method, path, body=None):
        headers = {"Authorization": "Bearer " + key} if key else {}
        return self.cluster.api.ask(method, path, body, headers)

    def status(self, key, path="/v1/commands"):
        return self.ask(key, "GET", path).status

    def reload(self, says):
        before = self.cluster.server.log().count(says)
        self.cluster.server.signal(signal.SIGHUP)
        self.wait("the file is read again", lambda: self.cluster.server.log().count(says) > before)

    def test_each_role_may_do_its_part(self):
        self.start()
        for path in ("/livez", "/healthz", "/readyz", "/openapi.yaml", "/"):
            self.assertEqual(self.status(None, path), 200)
        for method, path, body, least in ASKED:
            for key in (None, "duly_" + "0" * 64, self.keys["admin"][:-1], self.keys["admin"].upper()):
                answer = self.ask(key, method, path, body)
                self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, "Bearer"), (method, path, key))
            for role in ROLES:
                answer = self.ask(self.keys[role], method, path, body)
                if ROLES.index(role) < ROLES.index(least):
                    self.assertEqual(answer.status, 403, (method, path, role))
                    self.assertIn(f"needs the role {least}", answer.json["detail"])
                else:
                    self.assertNotIn(answer.status, (401, 403), (method, path, role))

    def test_acts_are_recorded_under_the_name_of_the_key(self):
        self.start()
        self.ask(self.keys["operator"], "PUT", "/v1/queues/mail", {"paused": True})
        id = self.ask(self.keys["submit"], "POST", "/v1/commands", {"type": "t", "delay_ms": 86400000}).json["id"]
        self.assertEqual(self.ask(self.keys["submit"], "POST", f"/v1/commands/{id}/cancel").status, 403)
        self.assertEqual(self.ask(self.keys["operator"], "POST", f"/v1/commands/{id}/cancel").status, 200)
        rows = self.ask(self.keys["admin"], "GET", "/v1/audit").json["items"]
        self.assertIn(("queue.pause", "mail", "the-operator"), [(r["what"], r["subject"], r["who"]) for r in rows])
        (event,) = self.ask(self.keys["read"], "GET", f"/v1/commands/{id}").json["events"]
        self.assertEqual((event["kind"], event["who"]), ("cancelled", "the-operator"))

    def test_the_file_is_read_again_on_sighup_or_refused_whole(self):
        self.start()
        old = dict(self.keys)
        self.write("read", "admin", more="somebody boss " + "0" * 64)
        self.reload("not read again")
        self.assertIn("line 4: 'boss' is not a role", self.cluster.server.log())
        self.assertEqual((self.status(old["read"]), self.status(self.keys["read"])), (200, 401))
        self.write("read", "admin")
        with Stream(self.cluster.http_port, headers={"Authorization": "Bearer " + old["read"]}) as stream:
            stream.listening()
            self.reload("API keys read")
            self.wait("open streams end", lambda: stream.ended)
            with Stream(self.cluster.http_port, stream.last_id, headers={"Authorization": "Bearer " + old["read"]}) as shut:
                self.assertEqual(shut.status, 401)
            with Stream(self.cluster.http_port, stream.last_id,
                        headers={"Authorization": "Bearer " + self.keys["read"]}) as again:
                self.assertEqual((again.listening().status, again.resets()), (200, []))
        self.assertEqual([self.status(old[role]) for role in ROLES], [401] * 4)
        self.assertEqual(self.status(self.keys["read"]), 200)
        os.remove(self.file)
        self.reload("not read again")
        self.assertEqual(self.status(self.keys["read"]), 200)
        self.assertTrue(self.cluster.server.running())

    def test_no_key_is_ever_in_a_log(self):
        self.start()
        for role in ROLES:
            for method, path, body, _ in ASKED:
                self.ask(self.keys[role], method, path, body)
        self.ask("duly_canary", "GET", "/v1/commands")
        self.wait("refusals are told", lambda: "refused" in self.cluster.server.log())
        log = self.cluster.server.log()
        for secret in [*self.keys.values(), "duly_canary", "Bearer duly"]:
            self.assertNotIn(secret, log)

    def test_the_command_line_brings_its_key(self):
        self.start()
        url = f"http://127.0.0.1:{self.cluster.http_port}"

        def duly(key, *words):
            return subprocess.run([program("duly"), "--server", url, *words], capture_output=True, text=True, timeout=20,
                                  env={**os.environ, "DULY_API_KEY": key}, check=False)

        self.assertEqual(duly(self.keys["submit"], "submit", "builtin.noop", "--delay-ms", "60000").returncode, 0)
        refused = duly(self.keys["read"], "submit", "builtin.noop")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("needs the role submit", refused.stderr)
        self.assertEqual(duly("", "list").returncode, 1)


class Rates(TestCase):
    def setUp(self):
        self.cluster = self.new_cluster()
        self.file = os.path.join(self.cluster.folder, "keys")
        self.keys, self.lines = {}, {}

    def write(self, **rates):
        """A key of the role submit for each name, with its rate; a key that is there already stays."""
        for name, rate in rates.items():
            if name not in self.keys:
                self.keys[name], self.lines[name] = new_key(name, "submit", *(["rate=" + rate] if rate else []))
            words = self.lines[name].split()[:3]
            self.lines[name] = " ".join(words + (["rate=" + rate] if rate else []))
        with open(self.file, "w", encoding="ascii") as text:
            text.write("\n".join([*self.lines.values(), ""]))

    def start(self, *flags):
        self.cluster.start_server("--api-keys", self.file, *flags)

    def ask(self, name, method="GET", path="/v1/stats", body=None):
        return self.cluster.api.ask(method, path, body, {"Authorization": "Bearer " + self.keys[name]})

    def limited(self):
        """How many were refused, as Prometheus is told."""
        found = re.search(r'duly_http_rate_limited_total\{role="submit"\} (\d+)', self.ask("free", path="/metrics").body.decode())
        return int(found[1])

    def reload(self):
        before = self.cluster.server.log().count("API keys read")
        self.cluster.server.signal(signal.SIGHUP)
        self.wait("the file is read again", lambda: self.cluster.server.log().count("API keys read") > before)

    def test_a_key_that_asks_too_often_waits_and_others_go_on(self):
        self.write(slow="1/h:3", free="")
        self.start()
        self.assertEqual([self.ask("slow").status for _ in range(3)], [200] * 3)
        refused = self.ask("slow", "POST", "/v1/commands", {"type": "builtin.noop"})
        self.assertEqual((refused.status, refused.headers["Content-Type"]), (429, "application/problem+json"))
        self.assertEqual(refused.json["title"], "Too Many Requests")
        self.assertIn("1/h:3", refused.json["detail"])
        self.assertTrue(3000 < int(refused.headers["Retry-After"]) <= 3600, refused.headers)
        self.assertEqual(self.ask("free", path="/v1/commands").json["items"], [])  # nothing of it was applied
        self.assertEqual({self.ask("free").status for _ in range(20)}, {200})
        self.assertEqual(self.cluster.api.ask("GET", "/healthz").status, 200)
        self.assertEqual(self.limited(), 1)
        # A reload is no way around it, another rate is.
        self.reload()
        self.assertEqual(self.ask("slow").status, 429)
        self.write(slow="1/h:4")
        self.reload()
        self.assertEqual([self.ask("slow").status for _ in range(5)], [200] * 4 + [429])
        self.assertNotIn(self.keys["slow"], self.cluster.server.log())

    def test_a_body_counts_once_and_is_not_read_from_who_waits(self):
        self.write(slow="1/h:2", free="")
        self.start()
        for _ in range(2):
            self.assertEqual(self.ask("slow", "POST", "/v1/commands", {"type": "t", "delay_ms": 86400000}).status, 201)
        with socket.create_connection(("127.0.0.1", self.cluster.http_port), timeout=20) as raw:
            raw.sendall(b"POST /v1/commands HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
                        b"Authorization: Bearer " + self.keys["slow"].encode() + b"\r\n\r\n")
            self.assertTrue(raw.recv(100).startswith(b"HTTP/1.1 429 "))  # without a byte of the body

    def test_the_flag_binds_keys_without_a_rate_and_the_command_line_waits(self):
        self.write(usual="", free="none")
        self.start("--api-rate", "1/s:1")
        url = f"http://127.0.0.1:{self.cluster.http_port}"
        self.wait("it is refused", lambda: self.ask("usual").status == 429)
        self.wait("it is let in again", lambda: self.ask("usual").status == 200)
        before = self.limited()

        def duly():
            done = subprocess.run([program("duly"), "--server", url, "stats"], capture_output=True, text=True, timeout=120,
                                  env={**os.environ, "DULY_API_KEY": self.keys["usual"]}, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            return self.limited() > before

        self.wait("it was told to wait, and did", duly, 60)
        self.write(usual="1/h:1")
        self.reload()
        self.assertEqual(self.ask("usual").status, 200)
        done = subprocess.run([program("duly"), "--server", url, "stats"], capture_output=True, text=True, timeout=20,
                              env={**os.environ, "DULY_API_KEY": self.keys["usual"]}, check=False)
        self.assertEqual(done.returncode, 1)  # too long to wait for
        self.assertIn("429 Too Many Requests", done.stderr)
        self.assertIn("hint: the rate of the key", done.stderr)


class AgentTokens(TestCase):
    OLD, NEW = "old-token-0123456789", "new-token-0123456789"

    def setUp(self):
        self.cluster = self.new_cluster()

    def file(self, name, *tokens):
        path = os.path.join(self.cluster.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as text:
            text.write("\n".join(["# tokens of a test", *tokens, ""]))
        return path

    def live(self, name):
        agent = self.cluster.api.agent(name)
        return agent is not None and agent["state"] == "live"

    def refused(self, name):
        self.wait(name + " is refused", lambda: "refused by the server" in self.cluster.agents[name].log())
        self.assertFalse(self.live(name))

    def test_only_agents_with_a_token_are_let_in(self):
        tokens = self.file("server-tokens", self.OLD)
        self.cluster.start_server("--agent-token-file", tokens)
        self.cluster.start_agent("none")
        self.cluster.start_agent("wrong", "--agent-token-file", self.file("wrong", self.NEW))
        self.cluster.start_agent("right", "--agent-token-file", self.file("right", self.OLD))
        self.wait("it is let in", lambda: self.live("right"))
        self.refused("none")
        self.refused("wrong")
        self.cluster.api.ended(self.cluster.api.submit()["id"])
        # A new token: the server takes both, then the agents say the new one, then the old one goes.
        self.file("server-tokens", self.NEW, self.OLD)
        self.cluster.server.signal(signal.SIGHUP)
        self.wait("the other one is let in", lambda: self.live("wrong"))
        self.file("server-tokens", self.NEW)
        self.cluster.server.signal(signal.SIGHUP)
        self.wait("read", lambda: self.cluster.server.log().count("agent tokens read") == 3)
        self.assertTrue(self.live("right"))  # who is in stays in
        self.cluster.agents["right"].kill()
        self.cluster.start_agent("right", "--agent-token-file", self.file("right", self.OLD))
        self.refused("right")
        for process in (self.cluster.server, *self.cluster.agents.values()):
            self.assertNotIn("-token-0123456789", process.log())

    def test_the_link_is_open_to_others_only_with_tokens(self):
        tokens = self.file("tokens", self.OLD)
        everywhere = functools.partial(self.cluster.server_arguments, link=f"0.0.0.0:{self.cluster.link_port}")
        self.cluster.server_arguments = everywhere
        self.cluster.start_server("--agent-token-file", tokens)
        self.cluster.start_agent("a-1", "--agent-token-file", tokens)
        self.wait("it is let in", lambda: self.live("a-1"))
        self.cluster.server.kill()
        os.chmod(tokens, 0o644)
        for program_name, flags in (("duly-server", self.cluster.server_arguments()), ("duly-agent", [])):
            done = run_once(program_name, *flags, "--agent-token-file", tokens)
            self.assertEqual(done.returncode, 1)
            self.assertIn("others may read", done.stderr)


class Starts(TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        self.file = os.path.join(self.cluster.folder, "keys")

    def refused(self, code, *flags, **changes):
        done = run_once("duly-server", *self.cluster.server_arguments(**changes), *flags)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr.splitlines()[-1]

    def test_a_bad_file_is_told_at_the_start(self):
        self.assertIn("--api-keys " + self.file, self.refused(1, "--api-keys", self.file))
        with open(self.file, "w", encoding="ascii") as text:
            text.write("ci read\n")
        self.assertIn("line 1: is not of the form", self.refused(1, "--api-keys", self.file))
        with open(self.file, "w", encoding="ascii") as text:
            text.write(new_key("ci", "read")[1])
        os.chmod(self.file, 0o666)
        self.assertIn("everybody may write", self.refused(1, "--api-keys", self.file))

    def test_a_bad_rate_is_told_at_the_start(self):
        with open(self.file, "w", encoding="ascii") as text:
            text.write(new_key("ci", "read")[1] + " rate=fast\n")
        self.assertIn("line 1: a rate must be", self.refused(1, "--api-keys", self.file))
        self.assertIn("--api-rate: a rate must be", self.refused(2, "--api-keys", self.file, "--api-rate", "fast"))
        self.assertIn("--api-rate needs --api-keys", self.refused(2, "--api-rate", "5/s"))

    def test_strangers_need_keys(self):
        address = f"0.0.0.0:{free_port()}"
        self.assertIn("--api-keys", self.refused(1, http=address))
        self.assertIn("--link", self.refused(1, link=address))
        with open(self.file, "w", encoding="ascii") as text:
            text.write(new_key("ci", "read")[1])
        everywhere = functools.partial(self.cluster.server_arguments, http=f"0.0.0.0:{self.cluster.http_port}")
        self.cluster.server_arguments = everywhere
        self.cluster.start_server("--api-keys", self.file)
        self.assertEqual(self.cluster.api.ask("GET", "/v1/commands", headers={"Host": "any.example"}).status, 401)

    def test_new_keys(self):
        first, second = new_key("ci", "admin"), new_key("ci", "admin")
        self.assertNotEqual(first[0], second[0])
        self.assertNotIn(first[0], first[1])
        self.assertTrue(first[1].startswith("ci admin "))
        self.assertTrue(new_key("ci", "admin", "rate=200/s:50")[1].endswith(" rate=200/s:50"))
        for words in (("new",), ("new", "ci"), ("new", "ci", "boss"), ("new", "a/b", "read"), ("new", "server", "read"),
                      ("old", "ci", "read"), ("new", "ci", "read", "rate=0/s"), ("new", "ci", "read", "200/s"),
                      ("new", "ci", "read", "rate=1/s", "more")):
            done = run_once("duly-server", "keys", *words)
            self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (2, "", 1), words)


if __name__ == "__main__":
    unittest.main()
