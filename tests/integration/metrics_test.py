"""What Prometheus reads from a real server and a real agent, and what is made of it: list, alerts, dashboard."""
import http.client
import json
import os
import re
import socket
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request

from lib.cluster import TestCase
from lib.process import ROOT, Process, free_port, program, run_once

DOCS = os.path.join(ROOT, "docs")

SAMPLE = re.compile(r'^([a-z_]+)(?:\{(.*)\})? ([0-9.e+-]+|NaN|\+Inf)$')


def values_of(text):
    """{'name' or 'name{labels}': value}; every line must be one of the format's."""
    values = {}
    for line in filter(None, text.splitlines()):
        if line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        assert match, line
        values[match[1] + ("{" + match[2] + "}" if match[2] else "")] = float(match[3])
    return values


def scrape(port, path="/metrics", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    finally:
        connection.close()


def promtool(*arguments, folder=None, text=None):
    """(exit code, all it said).  Debian's package is prometheus."""
    done = subprocess.run(["promtool", *arguments], cwd=folder, input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def read(*parts):
    with open(os.path.join(DOCS, *parts), encoding="utf-8") as file:
        return file.read()


def families(text):
    """Names and types of a page: a histogram is one family."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


def listed():
    """{part of docs/metrics.md: names in the first column of its table}."""
    parts = re.split(r"^## (.+)$", read("metrics.md"), flags=re.MULTILINE)
    return {title: {name for line in text.splitlines() if line.startswith("| `")
                    for name in re.findall(r"`([a-z_]+)(?:\{[^`]*)?`", line.split(" | ")[0])}
            for title, text in zip(parts[1::2], parts[2::2])}


def queried(expression):
    """The metrics that an expression of PromQL names, histograms without their suffix."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}', "", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\b(?:duly|process)_[a-z_]+", bare)}


def dashboard_expressions():
    for panel in json.loads(read("prometheus", "grafana.json"))["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


class Metrics(TestCase):
    @classmethod
    def setUpClass(cls):
        cluster = cls.share_cluster().start_server()
        cls.port = free_port()
        cluster.start_agent("a-1", "--metrics", f"127.0.0.1:{cls.port}")
        cluster.shards_even()

    def agent(self):
        return values_of(scrape(self.port)[2])

    def test_an_agent_counts_what_it_does(self):
        before = self.agent()
        ids = self.api.batch([{"type": "builtin.noop"}] * 30 +
                             [{"type": "builtin.fail", "payload": {"times": 9}, "retry": {"max_attempts": 1}}] * 5)
        for id in ids:
            self.api.ended(id)
        self.wait("the marks are acknowledged",
                  lambda: self.agent()["duly_publishes_recorded_total"] - before["duly_publishes_recorded_total"] == 35)
        after = self.agent()
        grown = {name: after[name] - before[name] for name in after}
        for name in ("duly_attempts_received_total", 'duly_publishes_total{outcome="confirmed"}', "duly_deliveries_total",
                     "duly_attempts_started_total", "duly_publish_confirm_seconds_count",
                     "duly_publish_lateness_seconds_count", "duly_permit_wait_seconds_count", "duly_handler_seconds_count"):
            self.assertEqual(grown[name], 35, name)
        self.assertEqual(grown['duly_attempts_finished_total{outcome="succeeded"}'], 30)
        self.assertEqual(grown['duly_attempts_finished_total{outcome="failed"}'], 5)
        self.assertEqual(grown["duly_attempts_refused_total"], 0)
        self.assertTrue(0 < grown["duly_publish_confirm_seconds_sum"] < 35 * 10)

    def test_an_agent_tells_what_it_has(self):
        values = self.wait("the shards and both connections", lambda: self.connected())
        self.assertEqual((values["duly_attempt_slots"], values["duly_draining"], values["duly_broker_blocked"]), (16, 0, 0))
        self.assertGreaterEqual(values["duly_link_connects_total"], 1)
        self.assertGreater(values["process_resident_memory_bytes"], 1 << 20)
        self.wait("heartbeats", lambda: self.agent()["duly_heartbeat_seconds_count"] > 0)

    def connected(self):
        values = self.agent()
        wanted = {"duly_shards_owned": 16, "duly_link_connected": 1, "duly_broker_connected": 1}
        return values if all(values[name] == value for name, value in wanted.items()) else None

    def test_the_format_is_what_prometheus_wants(self):
        id = self.api.ended(self.api.submit()["id"])["id"]
        for port in (self.port, self.cluster.http_port):
            status, kind, text = scrape(port)
            self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
            self.assertEqual(promtool("check", "metrics", text=text), (0, ""))
            self.assertNotIn(id, text)
            self.assertNotIn("a-1", text)
            self.assertLessEqual({name.split("_")[0] for name in values_of(text)}, {"duly", "process"})

    def test_every_metric_is_listed_and_every_listed_one_is_there(self):
        self.api.ended(self.api.submit()["id"])
        server, agent = (families(scrape(port)[2]) for port in (self.cluster.http_port, self.port))
        lists = listed()
        self.assertEqual(set(server), lists["Server"] | lists["Both"])
        self.assertEqual(set(agent), lists["Agent"] | lists["Both"])
        self.assertFalse(lists["Server"] & lists["Agent"], "a sum over both would count twice")
        for name, kind in {**server, **agent}.items():
            self.assertEqual(kind == "counter", name.endswith("_total"), name)
            self.assertEqual(kind == "histogram", name.endswith("_seconds") and kind != "gauge", name)

    def test_the_servers_numbers_of_a_queue_and_of_its_edge(self):
        self.api.want(200, "PUT", "/v1/queues/metered", {"paused": True})
        self.api.submit(queue="metered", delay_ms=3600_000)
        self.assertEqual(self.api.ask("GET", "/v1/nothing").status, 404)
        values = values_of(scrape(self.cluster.http_port)[2])
        self.assertEqual(values['duly_queue_commands{queue="metered",state="scheduled"}'], 1)
        self.assertEqual((values['duly_queue_paused{queue="metered"}'], values['duly_queue_executors{queue="metered"}']), (1, 0))
        self.assertEqual(values['duly_queue_executors{queue="default"}'], 1)
        self.assertGreaterEqual(values['duly_http_requests_total{code="404"}'], 1)
        self.assertGreaterEqual(values['duly_http_requests_total{code="201"}'], 1)
        self.assertTrue(0 < values["duly_http_change_seconds_sum"] < 60)
        self.assertGreater(values["duly_commit_seconds_count"], 0)
        self.assertGreater(values['duly_store_bytes{file="database"}'], 0)
        self.assertGreater(values["duly_disk_available_bytes"], 0)

    def test_health_and_nothing_else(self):
        self.assertEqual(scrape(self.port, "/healthz")[::2], (200, '{"status":"alive"}'))
        self.assertEqual(scrape(self.port, "/v1/agents")[0], 404)
        self.assertEqual(scrape(self.port, Host="attacker.example")[0], 421)

    def test_a_slow_or_endless_asker_holds_up_nobody(self):
        slow = [socket.create_connection(("127.0.0.1", self.port), timeout=15) for _ in range(20)]
        for one in slow:
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: loc")
        self.assertEqual(scrape(self.port)[0], 200)
        with socket.create_connection(("127.0.0.1", self.port), timeout=15) as endless:
            endless.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 8170)
            self.assertIn(b" 431 ", endless.recv(100))
        for one in slow:  # cut off when their time is over
            self.assertEqual(one.recv(100), b"")
            one.close()

    def test_an_agent_without_a_server_is_alive_and_says_so(self):
        port = free_port()
        agent = Process("lonely", [program("duly-agent"), "--link", f"127.0.0.1:{free_port()}", "--amqp", self.cluster.amqp,
                                   "--metrics", f"127.0.0.1:{port}"], os.path.join(self.cluster.folder, "lonely.log"))
        self.addCleanup(agent.end)
        values = self.wait("it answers", lambda: self.answers(port))
        self.assertEqual((values["duly_link_connected"], values["duly_shards_owned"]), (0, 0))

    def answers(self, port):
        try:
            return values_of(scrape(port)[2])
        except OSError:
            return None


class Documents(unittest.TestCase):
    """Alert rules and the dashboard name only what is there, and the rules fire when they should."""

    def setUp(self):
        self.known = set().union(*listed().values())

    def test_alert_rules(self):
        folder = os.path.join(DOCS, "prometheus")
        for arguments in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
            code, said = promtool(*arguments, folder=folder)
            self.assertEqual(code, 0, said)
        rules = read("prometheus", "alerts.yml")
        expressions = re.findall(r"^ +expr: (.+)$", rules, re.MULTILINE)
        self.assertEqual(len(expressions), rules.count("- alert:"))
        for expression in expressions:
            self.assertLessEqual(queried(expression), self.known, expression)
        tests = read("prometheus", "alerts_test.yml")
        for name in re.findall(r"- alert: (\w+)", rules):
            self.assertIn(name, tests, "a rule without a test")

    def test_dashboard(self):
        titles = [panel["title"] for panel in json.loads(read("prometheus", "grafana.json"))["panels"]]
        expressions = list(dashboard_expressions())
        self.assertGreater(len(expressions), 20)
        for title, expression in expressions:
            self.assertTrue(queried(expression), title)
            self.assertLessEqual(queried(expression), self.known, (title, expression))
        self.assertTrue(all(titles))


class Scraped(TestCase):
    """A real Prometheus reads both, and every expression of the dashboard and of the rules means something to it."""

    def query(self, expression):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as wrong:
            if wrong.code == 503:  # it is starting
                return None
            self.fail(f"{expression}: {wrong.read().decode()}")
        except OSError:
            return None

    def start_prometheus(self, cluster, agent_port):
        self.port = free_port()
        path = os.path.join(cluster.folder, "prometheus.yml")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{os.path.join(DOCS, "prometheus", "alerts.yml")}]
scrape_configs:
  - {{job_name: server, static_configs: [{{targets: ["127.0.0.1:{cluster.http_port}"]}}]}}
  - {{job_name: agent, static_configs: [{{targets: ["127.0.0.1:{agent_port}"]}}]}}
""")
        arguments = [f"--config.file={path}", f"--storage.tsdb.path={cluster.folder}/tsdb",
                     f"--web.listen-address=127.0.0.1:{self.port}"]
        prometheus = Process("prometheus", ["prometheus", *arguments], os.path.join(cluster.folder, "prometheus.log"))
        self.addCleanup(prometheus.end)

    def silent(self):
        """The dashboard's expressions without a value, but for those that have none while all is well."""
        found = []
        for _, expression in dashboard_expressions():
            plain = expression.replace("$__rate_interval", "30s")
            plain = plain.replace("$server|$agent", ".*").replace("$server", ".*").replace("$agent", ".*")
            if "> 0" not in plain and not self.query(plain):
                found.append(plain)
        return found

    def test_by_a_real_prometheus(self):
        cluster = self.new_cluster().start_server()
        agent_port = free_port()
        cluster.start_agent("a-1", "--metrics", f"127.0.0.1:{agent_port}")
        cluster.shards_even()
        self.start_prometheus(cluster, agent_port)
        self.wait("both are scraped", lambda: len(self.query("up == 1") or []) == 2, 40)
        for id in cluster.api.batch([{"type": "builtin.noop"}] * 20):
            cluster.api.ended(id)
        self.wait("rates", lambda: self.query("sum(rate(duly_succeeded_total[30s])) > 0"), 30)
        # A rate needs two scrapes of both, however late they come.
        self.wait("every expression has a value: " + "; ".join(self.silent()), lambda: not self.silent(), 30)
        rules = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/rules", timeout=10)
        groups = json.load(rules)["data"]["groups"]
        self.assertEqual({rule["health"] for group in groups for rule in group["rules"]}, {"ok"})


class Door(unittest.TestCase):
    def refused(self, code, *flags):
        done = run_once("duly-agent", *flags)
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (code, "", 1), done.stderr)
        return done.stderr

    def test_beyond_loopback_only_with_tokens(self):
        self.assertIn("refused without --insecure", self.refused(1, "--metrics", f"0.0.0.0:{free_port()}"))
        self.assertIn("needs --metrics", self.refused(2, "--metrics-token-file", "/nowhere"))
        self.assertIn("no port", self.refused(2, "--metrics", "localhost"))
        self.assertIn("/nowhere", self.refused(1, "--metrics", "0.0.0.0:0", "--metrics-token-file", "/nowhere"))

    def test_a_port_that_is_taken_ends_the_start(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.assertIn("cannot listen", self.refused(1, "--metrics", f"127.0.0.1:{port}"))


class Tokens(TestCase):
    def test_a_scrape_needs_the_token(self):
        cluster = self.new_cluster().start_server()
        path = os.path.join(cluster.folder, "scrapers")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("# of Prometheus\nscrape-token-123456\n")
        port = free_port()
        cluster.start_agent("a-1", "--metrics", f"0.0.0.0:{port}", "--metrics-token-file", path)
        cluster.shards_even()
        self.assertEqual(scrape(port)[0], 401)
        self.assertEqual(scrape(port, Authorization="Bearer scrape-token-123457")[0], 401)
        self.assertEqual(scrape(port, Authorization="Bearer scrape-token-123456")[0], 200)
        self.assertEqual(scrape(port, "/healthz")[0], 200)


if __name__ == "__main__":
    unittest.main()
