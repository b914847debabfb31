"""AMQP under TLS: the broker's certificate is checked, and for its name, and a client shows its own."""
import os
import shutil
import tempfile
import unittest

from lib.certificates import Authority
from lib.cluster import TestCase
from lib.process import free_port, run_once
from lib.rabbit import Node


class TlsNode(Node):
    """Its listener with TLS is the one that is named; a client's certificate is asked for and not insisted on."""

    @classmethod
    def start_with(cls, authority, certificate, key):
        port = free_port()
        path = authority.path("rabbitmq.conf")
        with open(path, "w", encoding="ascii") as conf:
            conf.write(f"listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {authority.file}\n"
                       f"ssl_options.certfile = {certificate}\nssl_options.keyfile = {key}\n"
                       "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = false\n")
        node = cls.start_new(DULY_RABBIT_CONF=path)
        node.tls_port = port
        return node

    def url(self, vhost="/", host="localhost"):
        return f"amqps://guest:guest@{host}:{self.tls_port}/{vhost.replace('/', '%2f')}"

    def clients(self):
        """(under TLS, name in the certificate shown) of every connection."""
        listed = self.output("ctl", self.folder, "--quiet", "list_connections", "ssl", "peer_cert_subject").splitlines()
        return {tuple(line.split("\t")) for line in listed if line.startswith(("true", "false"))}


class Amqps(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="duly-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority, cls.stranger = Authority(cls.folder, "authority"), Authority(cls.folder, "stranger")
        # The address is in it, and does not help.
        cls.node = TlsNode.start_with(cls.authority, *cls.authority.issue("broker", "DNS:localhost,IP:127.0.0.1"))
        cls.addClassCleanup(cls.node.close)

    def test_a_whole_life_with_certificates_on_both_sides(self):
        certificate, key = self.authority.issue("the-agent", "DNS:the-agent")
        trust = ["--amqp-ca", self.authority.file]
        cluster = self.new_cluster(node=self.node, server_flags=trust).start_server()
        cluster.start_agent("a-1", *trust, "--amqp-cert", certificate, "--amqp-key", key)
        ids = cluster.api.batch([cluster.append(n, delay_ms=n * 5) for n in range(100)])
        self.check_all_ran(cluster, ids)
        self.assertEqual(self.node.clients(), {("true", ""), ("true", "CN=the-agent")})

    def refused(self, url, *flags):
        """What the log says of a server that does not reach its broker."""
        cluster = self.new_cluster(node=self.node)
        cluster.start_server("--amqp", url, *flags)
        said = self.wait("it is told", lambda: [line for line in cluster.server.log().splitlines()
                                                if "no connection" in line])
        self.assertFalse(cluster.api.stats()["broker"]["up"])
        self.assertNotIn("connected connection=", cluster.server.log())
        return said[0]

    def test_a_certificate_of_a_strange_authority_is_refused(self):
        self.assertIn("verification", self.refused(self.node.url(), "--amqp-ca", self.stranger.file))

    def test_an_authority_that_the_system_does_not_trust_is_refused(self):
        self.assertIn("verification", self.refused(self.node.url()))

    def test_a_certificate_of_another_host_is_refused(self):
        line = self.refused(self.node.url(host="127.0.0.1"), "--amqp-ca", self.authority.file)
        self.assertIn("not made out to '127.0.0.1'", line)
        self.assertIn("must have its DNS name", line)

    def test_settings_that_cannot_work_are_refused_at_the_start(self):
        missing = os.path.join(self.folder, "missing")
        for program in ("duly-server", "duly-agent"):
            for words, says in [(["--amqp", "amqps://localhost", "--amqp-ca", missing],
                                 f"--amqp: no certificates of authorities can be read from {missing}"),
                                (["--amqp", "amqps://localhost", "--amqp-ca", self.authority.file, "--amqp-cert",
                                  self.authority.file], "go together"),
                                (["--amqp", "amqps://localhost", "--amqp-ca", self.authority.file, "--amqp-cert",
                                  self.stranger.file, "--amqp-key", self.authority.key], "are not of each other"),
                                (["--amqp-ca", self.authority.file], "certificates are for amqps://"),
                                (["--amqp", "amqp://localhost,http://me:secret@host"], "URL 2 is not an AMQP URL")]:
                with self.subTest(program=program, words=words):
                    done = run_once(program, *words)
                    self.assertEqual(done.returncode, 2)
                    self.assertIn(says, done.stderr)
                    self.assertNotIn("secret", done.stderr)


if __name__ == "__main__":
    unittest.main()
