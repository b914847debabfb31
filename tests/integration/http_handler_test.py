"""builtin.http: a real agent, and targets on loopback that answer well, badly, slowly and not at all."""
import http.server
import os
import ssl
import subprocess
import threading
import time
import unittest

from lib.cluster import TestCase
from lib.process import free_port, run_once
from metrics_test import scrape, values_of

ONCE = {"max_attempts": 1}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        target = self.server.target
        length = int(self.headers.get("Content-Length") or 0)
        target.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        target.answer(self)

    do_GET = do_POST = do_PUT = do_DELETE = serve

    def say(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Target:
    """An HTTP server on loopback; `answer(handler)` says what it answers, `requests` what came."""

    def __init__(self, answer=None, tls=None):
        self.answer = answer or (lambda handler: handler.say(200))
        self.requests, self.gone = [], threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.server.target, self.server.daemon_threads = self, True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def url(self, path="/", host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"

    def close(self):
        self.gone.set()
        self.server.shutdown()
        self.server.server_close()


def drip(handler):
    """A byte now and then, for as long as somebody listens."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    try:
        while not handler.server.target.gone.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()
    except OSError:
        pass


class Http(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server()
        cls.target = Target()
        cls.addClassCleanup(cls.target.close)
        cls.metrics = free_port()
        cls.cluster.start_agent("a-1", "--allow-http", cls.target.url("/allowed"), "--allow-http",
                                cls.target.url("/", host="localhost"), "--metrics", f"127.0.0.1:{cls.metrics}")
        cls.cluster.start_agent("a-2", queues="strict")
        cls.cluster.shards_even()

    def setUp(self):
        self.target.requests.clear()
        self.target.answer = lambda handler: handler.say(200)

    def ended(self, payload, **fields):
        payload.setdefault("url", self.target.url("/allowed"))
        return self.api.ended(self.api.submit("builtin.http", payload, **fields)["id"])

    def refused(self, payload, **fields):
        command = self.ended(payload, **fields)
        self.assertEqual((command["state"], command["reason"], len(command["attempts"])), ("dead", "not_retryable", 1))
        return command["error"]

    def test_success_takes_the_answer_and_says_which_command_it_is(self):
        self.target.answer = lambda handler: handler.say(201, b'{"total": 42}', Content_Type="application/json", ETag="v1")
        command = self.ended({"url": self.target.url("/allowed/x?y=z"), "method": "PUT", "headers": {"X-A": "b"}, "body": {"n": 1}})
        self.assertEqual((command["state"], command["result"]),
                         ("succeeded", {"status": 201, "headers": {"content-type": "application/json", "etag": "v1"},
                                        "body": {"total": 42}}))
        (method, path, headers, body), = self.target.requests
        self.assertEqual((method, path, body), ("PUT", "/allowed/x?y=z", b'{"n": 1}'))
        wanted = {"Host": f"127.0.0.1:{self.target.port}", "X-A": "b", "Content-Type": "application/json",
                  "Idempotency-Key": command["id"], "Duly-Attempt": "1"}
        self.assertEqual({name: headers.get(name) for name in wanted}, wanted)

    def test_status_decides_whether_it_is_tried_again(self):
        statuses = iter([500, 429, 408, 200])
        self.target.answer = lambda handler: handler.say(next(statuses))
        command = self.ended({}, retry={"max_attempts": 4, "initial_delay_ms": 10})
        self.assertEqual((command["state"], len(command["attempts"])), ("succeeded", 4))
        keys = {headers["Idempotency-Key"] for _, _, headers, _ in self.target.requests}
        self.assertEqual(keys, {command["id"]})
        self.assertEqual([headers["Duly-Attempt"] for _, _, headers, _ in self.target.requests], ["1", "2", "3", "4"])
        self.target.answer = lambda handler: handler.say(422, b"no such customer")
        self.assertIn("answered 422: no such customer", self.refused({}))

    def test_retry_after_is_kept(self):
        times = []

        def busy_once(handler):
            times.append(time.monotonic())
            handler.say(503, Retry_After="2") if len(times) == 1 else handler.say(200)
        self.target.answer = busy_once
        command = self.ended({}, retry={"max_attempts": 2, "initial_delay_ms": 10, "max_delay_ms": 20})
        self.assertEqual(command["state"], "succeeded")
        self.assertGreaterEqual(times[1] - times[0], 2.0)

    def test_redirects_are_not_followed(self):
        self.target.answer = lambda handler: handler.say(302, Location="http://169.254.169.254/latest/meta-data?x=secret")
        error = self.refused({})
        self.assertIn("redirect to http://169.254.169.254:80", error)
        self.assertNotIn("secret", error)
        self.assertEqual(len(self.target.requests), 1)

    def test_only_what_is_allowed_is_reached(self):
        for url in ("http://169.254.169.254/latest/meta-data", self.target.url("/"), self.target.url("/allowedx"),
                    self.target.url("/allowed", host="127.0.0.2"), "https://example.com/"):
            with self.subTest(url=url):
                self.assertIn("--allow-http", self.refused({"url": url}))
        for path in ("/allowed/../x", "/allowed/%2e%2e/x", "/allowed/..%2fx", "/allowed#x", "/allowed\\..\\x"):
            with self.subTest(path=path):
                self.assertTrue(self.refused({"url": self.target.url(path)}).startswith("url has"))
        self.assertIn("without --allow-http", self.refused({}, queue="strict"))
        self.assertEqual(self.target.requests, [])

    def test_a_name_that_leads_to_loopback_is_refused_although_its_prefix_is_allowed(self):
        self.assertIn("loopback", self.refused({"url": self.target.url("/", host="localhost")}))
        self.assertEqual(self.target.requests, [])

    def test_a_drip_ends_with_the_time_out(self):
        self.target.answer = drip
        begun = time.monotonic()
        command = self.ended({}, timeout_ms=1000, retry=ONCE)
        self.assertEqual((command["state"], command["attempts"][0]["outcome"]), ("dead", "timed_out"))
        self.assertLess(time.monotonic() - begun, 8)
        self.wait("the worker is free again", lambda: values_of(scrape(self.metrics)[2])["duly_attempts_running"] == 0)

    def test_a_body_is_capped(self):
        self.target.answer = lambda handler: handler.say(200, b"x" * 3_000_000)
        command = self.ended({})
        self.assertEqual((command["state"], command["result"]["body_truncated"]), ("succeeded", True))
        self.assertEqual(len(command["result"]["body"]), 256 << 10)

    def test_the_circuit_opens_and_closes_and_costs_no_attempts(self):
        other = Target(lambda handler: handler.say(500))
        self.addCleanup(other.close)
        port = free_port()
        self.cluster.start_agent("a-3", "--allow-http", other.url(), "--metrics", f"127.0.0.1:{port}", queues="circuit")

        def state():
            return values_of(scrape(port)[2]).get(f'duly_http_circuit_state{{target="http://127.0.0.1:{other.port}"}}')
        first = [self.api.submit("builtin.http", {"url": other.url()}, queue="circuit", retry=ONCE)["id"] for _ in range(5)]
        for id in first:
            self.assertEqual(self.api.ended(id)["state"], "dead")
        self.assertEqual(state(), 2)
        self.assertEqual(len(other.requests), 5)
        often = {"max_attempts": 20, "initial_delay_ms": 10}
        spared = [self.api.submit("builtin.http", {"url": other.url()}, queue="circuit", retry=often)["id"] for _ in range(10)]

        def handed_back():
            return any(attempt["outcome"] == "handed_back" for id in spared for attempt in self.api.command(id)["attempts"])
        self.wait("some are spared", handed_back)
        circuit = {"agent": "a-3", "target": f"http://127.0.0.1:{other.port}"}
        self.wait("the queue tells", lambda: any(circuit.items() <= each.items() and each["state"] in ("open", "half_open")
                                                 for each in self.api.get("/v1/queues/circuit")["circuits"]))
        other.answer = lambda handler: handler.say(200)
        for id in spared:
            command = self.api.ended(id)
            self.assertEqual(command["state"], "succeeded")
            requests = sum(headers["Idempotency-Key"] == id for _, _, headers, _ in other.requests)
            self.assertEqual(requests, sum(attempt["outcome"] != "handed_back" for attempt in command["attempts"]))
        self.assertEqual(state(), 0)
        self.wait("the queue tells", lambda: self.api.get("/v1/queues/circuit")["circuits"] == [])


class Tls(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server()
        folder = cls.cluster.folder
        cls.ca = os.path.join(folder, "ca.pem")
        cls.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", os.path.join(folder, "ca.key"), "-out", cls.ca,
                    "-days", "2", "-subj", "/CN=test authority")
        cls.good = Target(tls=cls.server_context(folder, "good", "DNS:localhost,IP:127.0.0.1"))
        cls.other = Target(tls=cls.server_context(folder, "other", "DNS:other.example"))
        for target in (cls.good, cls.other):
            cls.addClassCleanup(target.close)
        allow = [part for target in (cls.good, cls.other) for host in ("localhost", "127.0.0.1")
                 for part in ("--allow-http", target.url(host=host, scheme="https"))]
        cls.cluster.start_agent("a-1", "--allow-http-internal", "--http-ca", cls.ca, *allow)
        cls.cluster.start_agent("a-2", "--allow-http-internal", *allow, queues="system")
        cls.cluster.shards_even()

    @staticmethod
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    @classmethod
    def server_context(cls, folder, name, names):
        path = os.path.join(folder, name)
        with open(path + ".ext", "w", encoding="utf-8") as text:
            text.write(f"subjectAltName={names}\n")
        cls.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", path + ".key", "-out", path + ".csr", "-subj", f"/CN={name}")
        cls.openssl("x509", "-req", "-in", path + ".csr", "-CA", cls.ca, "-CAkey", os.path.join(folder, "ca.key"),
                    "-CAcreateserial", "-days", "2", "-extfile", path + ".ext", "-out", path + ".pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path + ".pem", path + ".key")
        return context

    def ended(self, url, queue="default"):
        return self.api.ended(self.api.submit("builtin.http", {"url": url}, queue=queue, retry=ONCE)["id"])

    def test_a_certificate_of_the_right_name_and_authority_is_taken(self):
        for host in ("localhost", "127.0.0.1"):
            self.assertEqual(self.ended(self.good.url(host=host, scheme="https"))["state"], "succeeded", host)

    def test_another_name_or_authority_is_refused(self):
        for host in ("localhost", "127.0.0.1"):
            command = self.ended(self.other.url(host=host, scheme="https"))
            self.assertEqual((command["state"], command["reason"]), ("dead", "attempts_exhausted"))
            self.assertIn("TLS", command["error"])
        self.assertIn("TLS", self.ended(self.good.url(host="localhost", scheme="https"), queue="system")["error"])
        self.assertEqual(self.other.requests, [])


class Flags(unittest.TestCase):
    def test_a_prefix_that_is_no_url_is_one_line_and_exit_2(self):
        for prefix in ("example.com", "https://user@example.com/", "https://example.com/?x", "https://example.com/../"):
            ended = run_once("duly-agent", "--allow-http", prefix)
            self.assertEqual((ended.returncode, ended.stderr.count("\n")), (2, 1), ended.stderr)
            self.assertIn("--allow-http", ended.stderr)

    def test_authorities_that_cannot_be_read_are_one_line_and_exit_1(self):
        ended = run_once("duly-agent", "--http-ca", "/no/such/file")
        self.assertEqual((ended.returncode, ended.stderr.count("\n")), (1, 1), ended.stderr)


if __name__ == "__main__":
    unittest.main()
