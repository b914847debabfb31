"""The users of docs/rabbitmq.md, one for each kind of program: what they may do is enough, and is no more than that."""
import os
import re
import unittest

from lib.amqp import Closed, Connection
from lib.cluster import TestCase
from lib.process import ROOT

QUICK = {"max_attempts": 6, "initial_delay_ms": 50, "max_delay_ms": 200}


def documented():
    """{user: (configure, write, read)} of the table in docs/rabbitmq.md."""
    with open(os.path.join(ROOT, "docs", "rabbitmq.md"), encoding="utf-8") as text:
        rows = re.findall(r"^\| `(\w+)` \|[^|]*\| `([^`]*)` \| `([^`]*)` \| `([^`]*)` \|$", text.read(), re.MULTILINE)
    return {user: [pattern.replace("\\|", "|") for pattern in patterns] for user, *patterns in rows}


class LeastPermissions(TestCase):
    def setUp(self):
        self.cluster = self.new_cluster()
        self.users = documented()
        self.assertEqual(set(self.users), {"server", "dispatcher", "executor"})
        node, vhost = self.cluster.node, self.cluster.vhost
        made = []
        for user, patterns in self.users.items():
            name = f"{vhost}-{user}"
            escaped = ", ".join('<<"' + pattern.replace("\\", "\\\\") + '">>' for pattern in patterns)
            made.append(f'rabbit_auth_backend_internal:add_user(<<"{name}">>, <<"secret">>, <<"t">>), '
                        f'rabbit_auth_backend_internal:set_permissions(<<"{name}">>, <<"{vhost}">>, {escaped}, <<"t">>)')
        self.addCleanup(node.output, "ctl", node.folder, "eval", ", ".join(
            f'rabbit_auth_backend_internal:delete_user(<<"{vhost}-{user}">>, <<"t">>)' for user in self.users) + ".")
        node.output("ctl", node.folder, "eval", ", ".join(made) + ".")

    def url(self, user):
        return self.cluster.amqp.replace("guest:guest", f"{self.cluster.vhost}-{user}:secret")

    def test_they_are_enough(self):
        cluster, api = self.cluster, self.cluster.api
        with cluster.connect() as amqp:  # a user's own, for deliver mode
            amqp.declare_exchange("orders")
            amqp.declare_queue("orders")
            amqp.bind("orders", "orders", "made")
        cluster.start_server("--amqp", self.url("server"))
        cluster.start_agent("dispatcher", "--amqp", self.url("dispatcher"), roles="dispatch")
        # It comes before its queues are there, which it may not declare.
        cluster.start_agent("executor", "--amqp", self.url("executor"), roles="execute", queues="mail,later")
        self.wait("it waits for its queues", lambda: cluster.agents["executor"].log().count("waiting for it") >= 2)

        ids = api.batch([cluster.append(n, queue="mail", retry=QUICK) for n in range(50)])
        ids += api.batch([cluster.append("later", queue="later", retry=QUICK)])
        with cluster.connect() as amqp:
            amqp.publish("duly.submit", "x", b'{"file": "ledger", "line": "m"}', {"duly-queue": "mail"}, type="builtin.append")
        dead = api.submit("builtin.fail", {"retryable": False}, queue="mail", retry=QUICK)
        self.assertEqual(api.ended(dead["id"])["state"], "dead")
        delivered = api.submit("order.made", {}, deliver={"exchange": "orders", "routing_key": "made"})
        self.assertEqual(api.ended(delivered["id"])["state"], "delivered")
        self.wait("the submitted one has run", lambda: [line for _, _, line in cluster.ledger() if line == "m"])
        self.check_nothing_twice(cluster)
        self.assertEqual({api.ended(id)["state"] for id in ids}, {"succeeded"})
        with cluster.connect() as amqp:
            self.wait("its dead letter", lambda: amqp.get("duly.dead"))
        for process in (cluster.server, *cluster.agents.values()):
            self.assertNotRegex(process.log(), "ACCESS_REFUSED|NOT_FOUND")

    def test_a_queue_lost_in_the_broker_is_declared_anew(self):
        cluster = self.cluster.start_server("--amqp", self.url("server"))
        cluster.start_agent("dispatcher", "--amqp", self.url("dispatcher"), roles="dispatch")
        first = cluster.api.batch([cluster.append("x", queue="mail", retry=QUICK)])
        self.wait("it is queued", lambda: cluster.api.stats()["commands"]["queued"] == 1)
        with cluster.connect() as amqp:
            amqp.delete("duly.execute.mail")
        self.wait("it is published again", lambda: cluster.api.totals()["republished"] > 0, 20)
        cluster.start_agent("executor", "--amqp", self.url("executor"), roles="execute", queues="mail")
        self.assertEqual(cluster.api.ended(first[0])["state"], "succeeded")

    def test_they_are_no_more(self):
        cluster = self.cluster.start_server("--amqp", self.url("server"))
        cluster.api.want(200, "PUT", "/v1/queues/mail", {"paused": False})
        with cluster.connect() as amqp:
            self.wait("the queue is declared", lambda: amqp.depth("duly.execute.mail") is not None)
        for user, tries in {
                "dispatcher": [lambda amqp: amqp.get("duly.execute.mail"),
                               lambda amqp: amqp.publish("duly.submit", "x", b"{}"),
                               lambda amqp: amqp.publish("", "duly.results", b"{}"),
                               lambda amqp: amqp.delete("duly.execute.mail")],
                "executor": [lambda amqp: amqp.publish("duly.execute", "mail", b"{}"),
                             lambda amqp: amqp.publish("duly.submit", "x", b"{}"),
                             lambda amqp: amqp.publish("", "duly.execute.mail", b"{}"),
                             lambda amqp: amqp.get("duly.submit"), lambda amqp: amqp.purge("duly.dead")],
                "server": [lambda amqp: amqp.publish("", "orders", b"{}"),
                           lambda amqp: amqp.declare_queue("orders")]}.items():
            for number, attempt in enumerate(tries):
                with self.subTest(user=user, number=number), Connection(self.url(user)) as amqp:
                    with self.assertRaises(Closed) as refused:
                        attempt(amqp)
                    self.assertEqual(refused.exception.code, 403)


if __name__ == "__main__":
    unittest.main()
