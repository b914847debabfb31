#!/usr/bin/python3
"""A whole executor for Duly in Python, with pika: takes the commands of one queue from RabbitMQ and runs them.

  executor.py --queue QUEUE [--amqp URL] [--server URL] [--name NAME] [--at-once N] [--report http|message] [--no-begin]

It begins, beats and finishes over HTTP; with `--report message` it reports through the queue duly.results, and with
`--no-begin` as well it speaks AMQP alone.  docs/executors.md says why each step is there.
"""
import argparse
import collections
import functools
import json
import threading
import time
import urllib.error
import urllib.request

import pika

RETRY_S = 0.3
REMEMBERED = 1000


class NotRetryable(Exception):
    """Trying again would not help."""


def handle(type, payload, stop):
    """The work itself.  `stop` is set when nobody waits for it any more."""
    if type == "echo":
        return payload
    if type == "work":
        return {"whole": not stop.wait(payload["ms"] / 1000)}
    if type == "fail":
        raise RuntimeError("as asked")
    raise NotRetryable(f"no handler for {type}")


class Duly:
    """What is said over HTTP: asked again until the server answers, because only an answer says what is on disk."""

    def __init__(self, server, name):
        self.server, self.name = server, name

    def ask(self, message_id, step, **fields):
        id, _, attempt = message_id.partition(".")
        body = json.dumps({"executor": self.name, **fields}).encode()
        request = urllib.request.Request(f"{self.server}/v1/commands/{id}/attempts/{attempt}/{step}", body,
                                         {"Content-Type": "application/json"})
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as refused:
                if refused.code < 500 and refused.code != 429:
                    return refused.code, json.load(refused)
            except OSError:
                pass
            time.sleep(RETRY_S)


class Executor:
    def __init__(self, options):
        self.options, self.duly = options, Duly(options.server, options.name)
        self.reports = collections.OrderedDict()  # of what ran without asking: by message id, to know a copy
        self.lock = threading.Lock()

    def serve(self):
        """Consumes, and begins again when the connection is lost: what was not acknowledged then comes again."""
        while True:
            try:
                self.connection = pika.BlockingConnection(pika.URLParameters(self.options.amqp))
                self.channel = self.connection.channel()
                self.channel.confirm_delivery()
                self.channel.basic_qos(prefetch_count=self.options.at_once)
                self.channel.basic_consume(f"duly.execute.{self.options.queue}", self.delivered)
                print("consumes", flush=True)
                self.channel.start_consuming()
            except (pika.exceptions.AMQPError, OSError) as lost:  # 404: nobody has submitted to this queue yet
                print(f"away: {lost!r}", flush=True)
                time.sleep(RETRY_S)

    def delivered(self, channel, delivery, properties, body):
        settle = functools.partial(self.later, channel.basic_ack, delivery.delivery_tag)
        threading.Thread(target=self.execute, args=(settle, properties, body), daemon=True).start()

    def later(self, call, *arguments, **named):
        """On the thread of the connection, which is the only one that may speak to the broker."""
        try:
            self.connection.add_callback_threadsafe(functools.partial(call, *arguments, **named))
        except pika.exceptions.AMQPError as lost:
            print(f"not sent: {lost!r}", flush=True)

    def execute(self, acknowledge, properties, body):
        message_id, timeout_ms = properties.message_id, None
        if self.options.begin:
            status, answer = self.duly.ask(message_id, "begin", token=properties.headers["duly-token"])
            # Either way this message has done its duty: an attempt begins once, and from then on the server watches it.
            acknowledge()
            if status != 200:
                return print("refused", message_id, answer.get("detail"), flush=True)
            timeout_ms = answer["timeout_ms"]
        report = self.reports.get(message_id) or self.work(message_id, properties.type, body, timeout_ms)
        if self.options.report == "http":
            status, _ = self.duly.ask(message_id, "finish", **report)
            return print("finished" if status == 200 else "stale", message_id, flush=True)
        self.later(self.publish, message_id, properties.headers, report, acknowledge)

    def work(self, message_id, type, body, timeout_ms):
        print("runs", message_id, flush=True)
        stop, ended = threading.Event(), threading.Event()
        if timeout_ms:
            threading.Thread(target=self.beat, args=(message_id, timeout_ms / 3000, stop, ended), daemon=True).start()
        try:
            report = {"outcome": "succeeded", "result": handle(type, json.loads(body), stop)}
        except Exception as failure:  # pylint: disable=broad-except
            report = {"outcome": "failed", "error": repr(failure), "retryable": not isinstance(failure, NotRetryable)}
        ended.set()
        if not self.options.begin:
            with self.lock:
                self.reports[message_id] = report
                if len(self.reports) > REMEMBERED:
                    self.reports.popitem(last=False)
        return report

    def beat(self, message_id, every, stop, ended):
        while not ended.wait(every):
            status, answer = self.duly.ask(message_id, "heartbeat")
            if status != 200 or answer["cancelled"]:
                print("stops", message_id, flush=True)
                return stop.set()

    def publish(self, message_id, headers, report, acknowledge):
        """The report first, and only when the broker has it, the message that asked for it."""
        properties = pika.BasicProperties(correlation_id=message_id, delivery_mode=2, content_type="application/json",
                                          headers={"duly-token": headers["duly-token"]})
        body = json.dumps({"executor": self.options.name, **report})
        self.channel.basic_publish("", "duly.results", body, properties, mandatory=True)
        print("reported", message_id, flush=True)
        if not self.options.begin:
            acknowledge()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queue", required=True)
    parser.add_argument("--amqp", default="amqp://guest:guest@127.0.0.1:5672/%2f")
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    parser.add_argument("--name", default="python")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--report", choices=["http", "message"], default="http")
    parser.add_argument("--no-begin", dest="begin", action="store_false")
    options = parser.parse_args()
    if not options.begin and options.report == "http":
        parser.error("who does not begin has nothing to finish over HTTP: --report message")
    Executor(options).serve()


if __name__ == "__main__":
    main()
