"""TLS of the API and the link: who is let in, who is not, renewal while it runs, and that strangers hold up nobody."""
import contextlib
import functools
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import unittest

from lib.certificates import Authority, install
from lib.cluster import TestCase
from lib.process import program, run_once

SILENT = 200
HERE = "127.0.0.1"


def duly(*words):
    return subprocess.run([program("duly"), *words], capture_output=True, text=True, timeout=30, check=False)


def ended(connection):
    """Everything up to the end; an end under TLS that was not said raises."""
    data = b""
    while more := connection.recv(65536):
        data += more
    return data


class TlsCase(TestCase):
    """Authorities for servers and for agents, and the certificate that the server shows."""

    @classmethod
    def make_certificates(cls, cluster):
        cls.servers, cls.agents = Authority(cluster.folder, "servers"), Authority(cluster.folder, "agents")
        cls.certificate, cls.key = cls.servers.issue("server", "IP:127.0.0.1")
        cluster.server_flags += ["--tls-cert", cls.certificate, "--tls-key", cls.key]
        cluster.api.tls = cls.servers.trusted()

    @classmethod
    def agent_flags(cls, name, *, signed_by=None, names=None, trusts=None):
        certificate, key = (signed_by or cls.agents).issue(name, names or "DNS:" + name)
        return ["--tls-ca", (trusts or cls.servers).file, "--tls-cert", certificate, "--tls-key", key]

    def live(self, name):
        agent = self.cluster.api.agent(name)
        return agent is not None and agent["state"] == "live"

    def says(self, name, words):
        self.wait(f"{name} says {words}", lambda: words in self.cluster.agents[name].log())

    def secured(self, port, context=None):
        raw = socket.create_connection((HERE, port), 20)
        return (context or self.servers.trusted()).wrap_socket(raw, server_hostname=HERE, suppress_ragged_eofs=False)


class Doors(TlsCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster(faults=False)
        cls.make_certificates(cls.cluster)
        cls.cluster.server_flags += ["--tls-client-ca", cls.agents.file]
        cls.cluster.start_server()
        cls.url = f"https://{HERE}:{cls.cluster.http_port}"

    def test_agents_are_who_their_certificates_say(self):
        start = self.cluster.start_agent
        start("right", *self.agent_flags("right"), faults=False)
        start("by-uri", *self.agent_flags("by-uri", names="DNS:elsewhere.example,URI:urn:duly:agent:by-uri"), faults=False)
        for name in ("right", "by-uri"):
            self.wait(name + " is let in", lambda name=name: self.live(name))
        start("thief", *self.agent_flags("thief", names="DNS:right,DNS:thief.example"), faults=False)
        start("stranger", *self.agent_flags("stranger", signed_by=self.servers), faults=False)
        start("nobody", "--tls-ca", self.servers.file, faults=False)
        start("wary", *self.agent_flags("wary", trusts=self.agents), faults=False)
        start("clear", faults=False)
        self.says("thief", "the certificate of this connection does not speak for the name 'thief'")
        self.says("stranger", "unknown ca")
        self.says("nobody", "certificate required")
        self.says("wary", "the peer's certificate is refused: unable to get local issuer certificate")
        self.says("clear", "link to the server lost")
        self.assertEqual([agent["name"] for agent in self.api.get("/v1/agents")["items"]], ["by-uri", "right"])
        self.assertEqual(self.api.ended(self.api.submit()["id"])["state"], "succeeded")
        log = self.cluster.server.log()
        for words in ("does not speak for the name", "did not return a certificate", "self-signed certificate|issuer"):
            self.assertRegex(log, words)

    def test_the_command_line_speaks_https(self):
        asks = functools.partial(duly, "--server", self.url, "--output", "json")
        done = asks("--tls-ca", self.servers.file, "stats")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("commands", json.loads(done.stdout))
        for flags, says in (((), "unable to get local issuer certificate"),
                            (("--tls-ca", self.agents.file), "unable to get local issuer certificate"),
                            (("--tls-ca", self.key), "--tls-ca " + self.key),
                            (("--tls-ca", "/nowhere"), "No such file"),
                            (("--tls-ca", self.servers.file, "--tls-cert", self.certificate), "need each other")):
            done = asks(*flags, "stats")
            self.assertNotEqual(done.returncode, 0, flags)
            self.assertIn(says, done.stderr)
        wrong_host = duly("--server", f"https://localhost:{self.cluster.http_port}", "--tls-ca", self.servers.file, "stats")
        self.assertEqual(wrong_host.returncode, 1)
        self.assertIn("ostname mismatch", wrong_host.stderr)
        in_clear = duly("--server", self.url.replace("https", "http"), "--tls-ca", self.servers.file, "stats")
        self.assertIn("are for https://", in_clear.stderr)
        self.assertIn("speaks HTTPS", duly("--server", self.url.replace("https", "http"), "stats").stderr)

    def test_http_is_the_same_under_tls(self):
        answer = self.api.ask("GET", "/v1/commands")
        self.assertEqual((answer.status, answer.headers["Strict-Transport-Security"]), (200, "max-age=31536000"))
        (expiry,) = re.findall(r"^duly_certificate_expiry_seconds (\S+)$", self.api.ask("GET", "/metrics").body.decode(), re.MULTILINE)
        self.assertTrue(86_400 < float(expiry) - time.time() < 3 * 86_400, expiry)
        # Many records in both directions.
        payload = "x" * 500_000
        ids = self.api.batch([{"type": "t", "delay_ms": 86_400_000, "payload": payload}] * 8)
        self.assertEqual(self.api.command(ids[7])["payload"], payload)
        # A refusal before the body is read arrives although the client goes on sending.
        with self.secured(self.cluster.http_port) as connection:
            head = f"POST /v1/commands HTTP/1.1\r\nHost: {HERE}\r\nContent-Length: 2000000\r\n\r\n".encode()
            connection.sendall(head + b"x" * 1_000_000)
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 413 "))
        with self.secured(self.cluster.http_port) as connection:  # and an end is said
            connection.sendall(f"GET /livez HTTP/1.1\r\nHost: {HERE}\r\nConnection: close\r\n\r\n".encode())
            self.assertTrue(ended(connection).startswith(b"HTTP/1.1 200 "))
        with self.secured(self.cluster.http_port) as connection:
            head = f"POST /v1/commands HTTP/1.1\r\nHost: {HERE}\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n"
            connection.sendall(head.encode())
            self.assertEqual(connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b'{"type":"t"}')
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 201 "))

    def test_what_is_older_than_tls_1_2_or_no_tls_is_closed(self):
        for port in (self.cluster.http_port, self.cluster.link_port):
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            old.set_ciphers("ALL:@SECLEVEL=0")
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            with self.assertRaisesRegex(ssl.SSLError, "PROTOCOL_VERSION"):
                self.secured(port, old)
            weak = self.servers.trusted()
            weak.maximum_version = ssl.TLSVersion.TLSv1_2
            weak.set_ciphers("AES256-SHA:AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA")
            with self.assertRaisesRegex(ssl.SSLError, "HANDSHAKE_FAILURE"):
                self.secured(port, weak)
        http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self.assertIn(b"this port speaks HTTPS, not HTTP", self.clear(self.cluster.http_port, http))
        for port, bytes_sent in ((self.cluster.link_port, http), (self.cluster.http_port, b"\0\0\0\x10\0\0\0\x08")):
            self.assertNotIn(b"HTTP/1.1", self.clear(port, bytes_sent))

    @staticmethod
    def clear(port, bytes_sent):
        """What is said to these bytes, until the connection ends."""
        said = b""
        with socket.create_connection((HERE, port), 20) as connection, contextlib.suppress(ConnectionResetError):
            connection.sendall(bytes_sent)
            while more := connection.recv(65536):
                said += more
        return said

    def test_those_who_stall_hold_up_nobody_and_are_closed(self):
        ports = (self.cluster.http_port, self.cluster.link_port)
        with contextlib.ExitStack() as stack:
            stalled = [stack.enter_context(socket.create_connection((HERE, port), 30)) for _ in range(SILENT) for port in ports]
            for connection in stalled[SILENT:]:
                connection.sendall(b"\x16\x03\x01\x02")  # how a handshake begins
            self.assertEqual(self.api.ask("GET", "/readyz").status, 200)
            self.cluster.start_agent("amid", *self.agent_flags("amid"), faults=False)
            self.wait("it is let in", lambda: self.live("amid"))
            for at in (0, 1):
                with self.subTest(port=("http", "link")[at]):
                    for connection in stalled[at::2]:
                        with contextlib.suppress(ConnectionResetError):
                            ended(connection)


class Renewal(TlsCase):
    def setUp(self):
        self.cluster = self.new_cluster()
        self.make_certificates(self.cluster)
        self.cluster.server_flags += ["--tls-client-ca", self.agents.file]
        self.cluster.start_server()
        self.api = self.cluster.api
        self.looker = self.agents.issue("looker", "DNS:looker")

    def reload(self, says):
        before = self.cluster.server.log().count(says)
        self.cluster.server.signal(signal.SIGHUP)
        self.wait("the files are read again", lambda: self.cluster.server.log().count(says) > before)

    def serials(self):
        """Of the certificates that new connections are shown, at both ports."""
        found = []
        for port in (self.cluster.http_port, self.cluster.link_port):
            with self.secured(port, self.servers.trusted(*self.looker)) as connection:
                found.append(connection.getpeercert()["serialNumber"])
        return found

    def test_new_certificates_are_taken_on_sighup_and_bad_ones_are_not(self):
        first = self.serials()
        self.assertEqual(first[0], first[1])
        with self.secured(self.cluster.http_port) as kept:
            for wrong, says in ((self.servers.issue("gone", "IP:127.0.0.1", days=-1), "the certificate has expired"),
                                ((self.servers.issue("one", "IP:127.0.0.1")[0], self.servers.issue("two", "IP:127.0.0.1")[1]),
                                 "is not the key of the certificate")):
                install(wrong, self.certificate, self.key)
                self.reload("not read again")
                self.assertIn(says, self.cluster.server.log())
                self.assertEqual(self.serials(), first)
            install(self.servers.issue("next", "IP:127.0.0.1"), self.certificate, self.key)
            self.reload("certificate read")
            self.assertNotIn(first[0], self.serials())
            kept.sendall(f"GET /livez HTTP/1.1\r\nHost: {HERE}\r\nConnection: close\r\n\r\n".encode())
            self.assertTrue(ended(kept).startswith(b"HTTP/1.1 200 "))

    def test_an_agent_reads_its_files_again_when_it_connects(self):
        flags = self.agent_flags("a-1")
        trusts, certificate, key = flags[1::2]
        self.cluster.start_agent("a-1", *flags)
        self.wait("it is let in", lambda: self.live("a-1"))
        id = self.api.submit()["id"]
        self.assertEqual(self.api.ended(id)["state"], "succeeded")
        # Everything is new: both authorities, and what they have signed.
        folder = os.path.join(self.cluster.folder, "renewed")
        os.mkdir(folder)
        servers, agents = Authority(folder, "servers"), Authority(folder, "agents")
        install((*servers.issue("server", "IP:127.0.0.1"), agents.file), self.certificate, self.key, self.agents.file)
        self.reload("certificate read")
        self.api.tls = servers.trusted()
        self.assertTrue(self.live("a-1"))  # who is connected stays connected
        # What it cannot use it tells, and goes on with what it had, which is not enough any more.
        install((self.key,), certificate)
        self.api.crash_agent("a-1", "disconnect", duration_ms=50)
        self.says("a-1", "not read again; what was there before goes on")
        install((servers.file, *agents.issue("a-1", "DNS:a-1")), trusts, certificate, key)
        self.wait("it is connected again", lambda: self.cluster.agents["a-1"].log().count("connected to the server") == 2)
        self.assertEqual(self.api.ended(self.api.submit()["id"])["state"], "succeeded")

    def test_streams_of_events_end_as_said(self):
        with self.secured(self.cluster.http_port) as stream:
            stream.sendall(f"GET /v1/events HTTP/1.1\r\nHost: {HERE}\r\n\r\n".encode())
            self.assertTrue(stream.recv(1000).startswith(b"HTTP/1.1 200 "))
            self.cluster.server.signal(signal.SIGHUP)
            ended(stream)
        with self.secured(self.cluster.http_port) as stream:
            stream.sendall(f"GET /v1/events HTTP/1.1\r\nHost: {HERE}\r\n\r\n".encode())
            self.assertTrue(stream.recv(1000).startswith(b"HTTP/1.1 200 "))
            self.cluster.server.signal(signal.SIGTERM)
            ended(stream)
        self.assertEqual(self.cluster.server.wait(), 0)


class Starts(TlsCase):
    def setUp(self):
        self.cluster = self.new_cluster(faults=False)
        self.make_certificates(self.cluster)
        self.cluster.server_flags = []

    def refused(self, code, says, *flags, name="duly-server"):
        own = self.cluster.server_arguments() if name == "duly-server" else ["--amqp", self.cluster.amqp]
        done = run_once(name, *own, *flags)
        self.assertEqual((done.returncode, says in done.stderr.splitlines()[-1]), (code, True), done.stderr)

    def test_flags_that_do_not_go_together_are_refused(self):
        certificate, key = ["--tls-cert", self.certificate], ["--tls-key", self.key]
        self.refused(2, "--tls-cert needs --tls-key", *certificate)
        for flags in (key, ["--tls-client-ca", self.agents.file], ["--tls-http-client-ca", self.agents.file]):
            self.refused(2, flags[0] + " needs --tls-cert", *flags)
            self.refused(2, flags[0] + " names no file", *certificate, *key, flags[0], "")
        trust = ["--tls-ca", self.servers.file]
        self.refused(2, "--tls-cert needs --tls-ca", *certificate, *key, name="duly-agent")
        self.refused(2, "--tls-cert needs --tls-key", *trust, *certificate, name="duly-agent")
        self.refused(2, "--tls-key needs --tls-cert", *trust, *key, name="duly-agent")

    def test_files_that_cannot_be_used_are_refused(self):
        old, old_key = self.servers.issue("old", "IP:127.0.0.1", days=-1)
        self.refused(1, f"--tls-cert {old}: the certificate has expired", "--tls-cert", old, "--tls-key", old_key)
        self.refused(1, "is not the key", "--tls-cert", self.certificate, "--tls-key", old_key)
        for wrong in (self.key, "/nowhere"):
            self.refused(1, f"--tls-ca {wrong}: ", "--tls-ca", wrong, name="duly-agent")
        os.chmod(self.key, 0o644)
        self.refused(1, f"--tls-key {self.key}: others may read", "--tls-cert", self.certificate, "--tls-key", self.key)

    def test_the_link_is_open_to_others_with_certificates_alone(self):
        link = f"0.0.0.0:{self.cluster.link_port}"
        tls = ["--tls-cert", self.certificate, "--tls-key", self.key]
        self.cluster.server_arguments = functools.partial(self.cluster.server_arguments, link=link)
        self.refused(1, "there is neither --agent-token-file nor --tls-client-ca", *tls)
        self.cluster.start_server(*tls, "--tls-client-ca", self.agents.file)
        self.cluster.start_agent("a-1", *self.agent_flags("a-1"), faults=False)
        self.wait("it is let in", lambda: self.live("a-1"))
        self.assertNotIn("can be read on its way", self.cluster.server.log())
        self.assertEqual(self.cluster.server.terminate(), 0)
        # Without TLS what is said there is no secret: that is told, and with a token not refused.
        tokens = os.path.join(self.cluster.folder, "tokens")
        with open(os.open(tokens, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as text:
            text.write("token-0123456789abcdef\n")
        self.cluster.api.tls = None
        self.cluster.start_server("--agent-token-file", tokens)
        self.assertIn("what is said at --link, keys too, can be read on its way", self.cluster.server.log())

    def test_the_api_may_ask_for_certificates_too(self):
        people = Authority(self.cluster.folder, "people")
        known = people.issue("me", "DNS:me")
        self.cluster.api.tls = self.servers.trusted(*known)
        self.cluster.start_server("--tls-cert", self.certificate, "--tls-key", self.key, "--tls-http-client-ca", people.file)
        for context in (self.servers.trusted(), self.servers.trusted(*self.agents.issue("me", "DNS:me"))):
            with self.assertRaisesRegex(ssl.SSLError, "(?i)certificate.required|unknown.ca"):
                with self.secured(self.cluster.http_port, context) as connection:
                    connection.sendall(f"GET /livez HTTP/1.1\r\nHost: {HERE}\r\n\r\n".encode())
                    connection.recv(100)
        url = ["--server", f"https://{HERE}:{self.cluster.http_port}", "--tls-ca", self.servers.file]
        self.assertEqual(duly(*url, "--tls-cert", known[0], "--tls-key", known[1], "stats").returncode, 0)
        self.assertEqual(duly(*url, "stats").returncode, 1)


if __name__ == "__main__":
    unittest.main()
