"""Traces: what a caller says goes through to whoever runs the command, and a collector sees the spans in between."""
import json
import os
import signal
import socket
import unittest

from http_handler_test import Target
from lib.cluster import TestCase
from lib.process import free_port
from metrics_test import scrape, values_of

ONCE = {"max_attempts": 1}
QUICK = {"max_attempts": 3, "initial_delay_ms": 20, "max_delay_ms": 20}


def caller(number, flags="01"):
    """The traceparent of a caller with a trace of its own."""
    return f"00-{number:032x}-{number:016x}-{flags}"


def trace_of(traceparent):
    return traceparent.split("-")[1]


def trace_span(traceparent):
    return traceparent.split("-")[2]


def value_of(attribute):
    value = attribute["value"]
    return int(value["intValue"]) if "intValue" in value else value["stringValue"]


def plain(attributes):
    return {attribute["key"]: value_of(attribute) for attribute in attributes}


class Collector(Target):
    """An OpenTelemetry collector, as far as Duly speaks to one."""

    def spans(self, trace=None):
        found = []
        for method, path, headers, body in list(self.requests):
            assert (method, path, headers["Content-Type"]) == ("POST", "/v1/traces", "application/json")
            for resource in json.loads(body)["resourceSpans"]:
                service = plain(resource["resource"]["attributes"])["service.name"]
                for scope in resource["scopeSpans"]:
                    found += [{**span, "service": service, "attributes": plain(span["attributes"])}
                              for span in scope["spans"]]
        return [span for span in found if trace in (None, span["traceId"])]

    def of_command(self, id, operation=None):
        """Its spans, as they follow each other; not by their times, for a clock may be set back."""
        found = [span for span in self.spans() if span["attributes"]["duly.command.id"] == id
                 and operation in (None, span["attributes"]["messaging.operation.type"])]
        order = ["create", "send", "process"]
        return sorted(found, key=lambda span: (span["attributes"].get("duly.attempt", 0),
                                               order.index(span["attributes"]["messaging.operation.type"])))


class Spans(TestCase):
    """A server and two agents, one that publishes and one that runs, all of which export."""

    @classmethod
    def setUpClass(cls):
        cls.collector, cls.target = Collector(), Target()
        cls.addClassCleanup(cls.collector.close)
        cls.addClassCleanup(cls.target.close)
        otlp = ["--otlp", cls.collector.url("")]
        cluster = cls.share_cluster().start_server(*otlp, "--otlp-sample", "1")
        cluster.start_agent("d-1", *otlp, roles="dispatch")
        cluster.start_agent("x-1", *otlp, "--allow-exec", "/usr/bin/env", "--allow-http", cls.target.url(),
                            "--allow-http-internal", roles="execute")
        cluster.shards_even()

    def submit(self, traceparent, type="builtin.noop", payload=None, path="/v1/commands", tracestate=None, **fields):
        body = {"type": type, **({} if payload is None else {"payload": payload}), **fields}
        headers = {"traceparent": traceparent, **({"tracestate": tracestate} if tracestate else {})}
        return self.api.want(201, "POST", path, body, headers).json

    def spans(self, id, count):
        """So many spans of a command, and no more: but for publishes that failed, or were made once more meanwhile."""
        def good():
            found = self.collector.of_command(id)
            ran = [span for span in found if span["name"].startswith("process")]
            known = {span["attributes"]["duly.attempt"] for span in ran}
            named = {span.get("parentSpanId") for span in ran} | {link["spanId"] for span in ran for link in span.get("links", [])}
            return [span for span in found if not span["name"].startswith("send") or span["spanId"] in named
                    or span["status"]["code"] == 0 and span["attributes"]["duly.attempt"] not in known]
        self.wait(f"{count} spans", lambda: len(good()) >= count, 30)
        found = good()
        self.assertEqual(len(found), count, found)
        return found

    def test_a_command_is_followed_from_its_caller_to_its_handler(self):
        made = self.submit(caller(0xA1), tracestate="vendor=x")
        self.api.ended(made["id"])
        create, send, process = self.spans(made["id"], 3)
        self.assertEqual([span["name"] for span in (create, send, process)],
                         ["create default", "send default", "process builtin.noop"])
        self.assertEqual([span["service"] for span in (create, send, process)],
                         ["duly-server", "duly-agent", "duly-agent"])
        self.assertEqual([span["kind"] for span in (create, send, process)], [4, 4, 5])
        self.assertEqual({span["traceId"] for span in (create, send, process)}, {f"{0xA1:032x}"})
        self.assertEqual({span["traceState"] for span in (create, send, process)}, {"vendor=x"})
        self.assertEqual([span["parentSpanId"] for span in (create, send, process)],
                         [f"{0xA1:016x}", create["spanId"], send["spanId"]])
        self.assertEqual(made["traceparent"], f"00-{0xA1:032x}-{create['spanId']}-01")
        self.assertEqual(self.api.command(made["id"])["traceparent"], made["traceparent"])
        for span in (create, send, process):
            self.assertLessEqual(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
            self.assertEqual(span["status"], {"code": 0})
        self.assertEqual((process["attributes"]["duly.attempt"], process["attributes"]["duly.outcome"]), (1, "succeeded"))
        self.assertEqual(send["attributes"]["messaging.message.id"], made["id"] + ".1")

    def test_an_attempt_after_the_first_is_linked(self):
        made = self.submit(caller(0xB1), "builtin.fail", {"times": 1}, retry=QUICK)
        self.api.ended(made["id"])
        create, first_send, first, second_send, second = self.spans(made["id"], 5)
        self.assertEqual({span["parentSpanId"] for span in (first_send, second_send)}, {create["spanId"]})
        self.assertEqual((first["traceId"], first["parentSpanId"]), (f"{0xB1:032x}", first_send["spanId"]))
        self.assertEqual((first["status"]["code"], first["attributes"]["duly.outcome"]), (2, "failed"))
        self.assertNotEqual(second["traceId"], f"{0xB1:032x}")
        self.assertNotIn("parentSpanId", second)
        self.assertEqual([(link["traceId"], link["spanId"]) for link in second["links"]],
                         [(f"{0xB1:032x}", second_send["spanId"])])
        self.assertEqual((second["status"]["code"], second["attributes"]["duly.attempt"]), (0, 2))

    def test_a_foreign_consumer_finds_the_trace_in_its_message(self):
        made = self.submit(caller(0xC1), "work", queue="foreign", tracestate="vendor=x")
        with self.cluster.connect() as amqp:
            got = self.wait("the message", lambda: amqp.get("duly.execute.foreign"), 20)
        told = got["headers"]["traceparent"].split("-")
        self.assertEqual((told[1], told[3], got["headers"]["tracestate"]), (f"{0xC1:032x}", "01", "vendor=x"))
        # Nobody asks for a permit: it may be published again before we look.
        send = self.wait("the span of its publish", lambda: [span for span in self.collector.of_command(made["id"], "send")
                                                             if span["spanId"] == told[2]], 30)[0]
        self.assertEqual(send["parentSpanId"], trace_span(made["traceparent"]))

    def test_handlers_are_told_and_tell_others(self):
        made = self.submit(caller(0xD1), "builtin.exec", {"program": "/usr/bin/env", "args": []}, retry=ONCE)
        out = self.api.ended(made["id"])["result"]["stdout"].splitlines()
        process = self.spans(made["id"], 3)[2]
        self.assertIn(f"TRACEPARENT=00-{0xD1:032x}-{process['spanId']}-01", out)
        made = self.submit(caller(0xD2), "builtin.http", {"url": self.target.url("/traced")}, retry=ONCE)
        self.assertEqual(self.api.ended(made["id"])["state"], "succeeded")
        process = self.spans(made["id"], 3)[2]
        headers = [headers for _, path, headers, _ in self.target.requests if path == "/traced"]
        self.assertEqual([h["traceparent"] for h in headers], [f"00-{0xD2:032x}-{process['spanId']}-01"])

    def test_what_is_not_sampled_goes_through_unchanged_and_unseen(self):
        made = self.submit(caller(0xE1, "00"), "builtin.exec", {"program": "/usr/bin/env", "args": []}, retry=ONCE)
        self.assertEqual(made["traceparent"], caller(0xE1, "00"))
        self.assertIn("TRACEPARENT=" + caller(0xE1, "00"), self.api.ended(made["id"])["result"]["stdout"].splitlines())
        later = self.submit(caller(0xE2))
        self.api.ended(later["id"])
        self.spans(later["id"], 3)
        self.assertEqual(self.collector.of_command(made["id"]), [])

    def test_a_traceparent_that_is_none_costs_nothing_and_a_new_trace_begins(self):
        for wrong in ("", "00-xyz", caller(0)):
            made = self.submit(wrong)
            create = self.wait("its span", lambda id=made["id"]: self.collector.of_command(id, "create"), 30)[0]
            self.assertNotIn("parentSpanId", create)
            self.assertEqual(trace_of(made["traceparent"]), create["traceId"])

    def test_a_batch_a_workflow_and_a_message_bring_their_trace(self):
        batch = self.submit_many("/v1/commands/batch", {"commands": [{"type": "builtin.noop"}] * 3}, 0xF1)
        ids = [item["id"] for item in batch["items"]]
        nodes = [{"name": "a", "type": "builtin.noop"}, {"name": "b", "type": "builtin.noop", "depends_on": ["a"]}]
        made = self.submit_many("/v1/workflows", {"name": "w", "commands": nodes}, 0xF2)
        ids += [node["id"] for node in self.api.get("/v1/workflows/" + made["id"])["commands"]]
        with self.cluster.connect() as amqp:
            self.wait("duly.submit", lambda: amqp.depth("duly.submit"), 20)
            amqp.publish("", "duly.submit", b"{}", {"traceparent": caller(0xF3)}, type="builtin.noop", message_id="t-1")
        self.wait("its span", lambda: self.collector.spans(f"{0xF3:032x}"), 30)
        ids += [self.collector.spans(f"{0xF3:032x}")[0]["attributes"]["duly.command.id"]]
        wanted = [0xF1] * 3 + [0xF2] * 2 + [0xF3]
        for id, number in zip(ids, wanted, strict=True):
            self.api.ended(id)
            self.assertEqual({span["traceId"] for span in self.spans(id, 3)}, {f"{number:032x}"})

    def submit_many(self, path, body, number):
        return self.api.want(201, "POST", path, body, {"traceparent": caller(number)}).json

    def test_each_fire_of_a_schedule_begins_a_trace(self):
        self.api.post("/v1/schedules", {"name": "traced", "cron": "0 0 1 1 *", "command": {"type": "builtin.noop"}}, 201)
        traces = set()
        for _ in range(2):
            self.api.want(201, "POST", "/v1/schedules/traced/trigger")
        for item in self.api.walk(schedule="traced"):
            create, *_ = self.spans(self.api.ended(item["id"])["id"], 3)
            self.assertNotIn("parentSpanId", create)
            traces.add(create["traceId"])
        self.assertEqual(len(traces), 2)

    def test_a_delivery_tells_the_trace_once(self):
        with self.cluster.connect() as amqp:
            amqp.declare_exchange("traced")
            amqp.declare_queue("traced")
            amqp.bind("traced", "traced", "k")
            made = self.submit(caller(0xAA1), "order", deliver={"exchange": "traced", "routing_key": "k"})
            got = self.wait("the message", lambda: amqp.get("traced"), 20)
            _, send = self.spans(made["id"], 2)
            self.assertEqual(got["headers"]["traceparent"], f"00-{0xAA1:032x}-{send['spanId']}-01")
            own = {"traceparent": caller(0xAA2), "duly-deliver-exchange": "traced", "duly-deliver-routing-key": "k"}
            amqp.publish("", "duly.submit", b"{}", own, message_id="t-2")
            got = self.wait("the message", lambda: amqp.get("traced"), 20)
            self.assertEqual(got["headers"], {"traceparent": caller(0xAA2)})
            self.assertEqual(self.wait("its span", lambda: self.collector.spans(f"{0xAA2:032x}"), 30)[0]["parentSpanId"],
                             f"{0xAA2:016x}")

    def test_spans_are_counted(self):
        self.api.ended(self.submit(caller(0xAB1))["id"])
        counts = self.wait("spans exported",
                           lambda: values_of(scrape(self.cluster.http_port)[2])["duly_spans_exported_total"], 30)
        self.assertGreater(counts, 0)
        self.assertEqual(values_of(scrape(self.cluster.http_port)[2])["duly_spans_dropped_total"], 0)


class Collectors(TestCase):
    """That fail, while the work goes on."""

    def test_neither_one_that_is_away_nor_one_that_is_silent_holds_anything_up(self):
        silent = socket.create_server(("127.0.0.1", free_port()))
        self.addCleanup(silent.close)
        cluster = self.new_cluster()
        cluster.start_server("--otlp", f"http://127.0.0.1:{free_port()}", "--otlp-sample", "1")
        cluster.start_agent("a-1", "--otlp", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        cluster.shards_even()
        ids = cluster.api.batch([cluster.append(n) for n in range(300)])
        self.check_all_ran(cluster, ids)
        self.wait("what could not be sent is dropped and counted",
                  lambda: values_of(scrape(cluster.http_port)[2])["duly_spans_dropped_total"] >= 300, 60)
        self.assertEqual(values_of(scrape(cluster.http_port)[2])["duly_spans_exported_total"], 0)
        self.assertIn("the collector does not take them", cluster.server.log())
        for process in (cluster.agents["a-1"], cluster.server):
            process.signal(signal.SIGTERM)
            self.assertEqual(process.wait(60), 0)
        self.assertNotIn("silent for", cluster.server.log())  # the agent had left before its last spans went nowhere

    def test_the_last_spans_are_sent_at_the_end(self):
        collector = Collector()
        self.addCleanup(collector.close)
        cluster = self.new_cluster().start_server("--otlp", collector.url(), "--otlp-sample", "1")
        made = cluster.api.submit(delay_ms=3_600_000)
        cluster.server.signal(signal.SIGTERM)
        self.assertEqual(cluster.server.wait(60), 0)
        self.assertEqual(len(collector.of_command(made["id"], "create")), 1)

    def test_what_is_no_endpoint_is_refused_at_the_start(self):
        cluster = self.new_cluster()
        for flags, said in ((["--otlp", "collector:4318"], "--otlp"), (["--otlp-sample", "2"], "a number from 0 to 1"),
                            (["--otlp-sample", "1"], "needs --otlp")):
            cluster.start_server(*flags, ready=False)
            self.assertEqual(cluster.server.wait(30), 2)
            self.assertIn(said, cluster.server.log())


class Logs(TestCase):
    """One id through everything, and no payload or key anywhere."""

    def test_ids_are_there_and_what_is_secret_is_not(self):
        cluster = self.new_cluster().start_server("--log-level", "debug", "--log-format", "json")
        cluster.start_agent("a-1", "--log-level", "debug", "--log-format", "json", "--allow-exec", "/bin/sh")
        cluster.shards_even()
        secret = "s3cr3t" + os.urandom(8).hex()
        headers = {"traceparent": caller(0x51), "X-Request-Id": "request-51", "Idempotency-Key": secret}
        body = {"type": "builtin.echo", "payload": {"x": secret}, "key": secret, "labels": {"l": secret}}
        made = cluster.api.want(201, "POST", "/v1/commands", body, headers).json
        failing = [cluster.api.submit("builtin.exec", {"program": "/bin/sh", "args": ["-c", f"echo {secret} >&2; exit 1"]},
                                      retry=ONCE),
                   cluster.api.submit("builtin.noop", secret, on_lost="dead"),
                   cluster.api.submit("nobody.knows", {"x": secret}, retry=ONCE)]
        for command in (made, *failing):
            cluster.api.ended(command["id"])
        cluster.api.want(400, "POST", "/v1/commands", {"type": "t", "payload": secret, "priority": 99}, {"Authorization": secret})
        cluster.api.get("/v1/commands", key=secret)
        with cluster.connect() as amqp:
            amqp.publish("", "duly.submit", secret.encode(), {"duly-priority": 77, "duly-key": secret}, type="t")
            self.wait("it is parked", lambda: amqp.get("duly.dead"), 20)
            amqp.publish("", "duly.execute.default", secret.encode(), {"duly-id": "cmd_"}, type="t")
            self.wait("it is parked", lambda: amqp.get("duly.dead"), 20)
        for process in (cluster.server, cluster.agents["a-1"]):
            self.assertNotIn(secret, process.log())
        server, agent = ([json.loads(line) for line in process.log().splitlines()]
                         for process in (cluster.server, cluster.agents["a-1"]))
        accepted = [line for line in server if line["msg"] == "accepted" and line["command"] == made["id"]]
        self.assertEqual([(line["request_id"], line["trace_id"]) for line in accepted], [("request-51", f"{0x51:032x}")])
        self.assertEqual([line["status"] for line in server if line["msg"] == "answer" and line["request_id"] == "request-51"],
                         [201])
        begun = [line for line in agent if line["msg"] == "attempt begins" and line["command"] == made["id"]]
        self.assertEqual([(line["attempt"], line["trace_id"]) for line in begun], [(1, f"{0x51:032x}")])
        ended = [line for line in agent if line["msg"] == "attempt ended" and line["command"] == made["id"]]
        self.assertEqual([line["outcome"] for line in ended], ["succeeded"])


if __name__ == "__main__":
    unittest.main()
