"""Several URLs in --amqp: what does not answer is passed over, and passwords stay out of the logs."""
import re
import socket
import unittest

from lib.cluster import TestCase
from lib.process import free_port

QUICK = {"max_attempts": 6, "initial_delay_ms": 50, "max_delay_ms": 200}
SECRET = "se,cret"


class Silent:
    """As a paused node: the kernel takes connections, and nobody ever says a word."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


class Failover(TestCase):
    def setUp(self):
        self.silent = Silent()
        self.addCleanup(self.silent.close)
        self.cluster = self.new_cluster()
        self.real = self.cluster.amqp
        self.real_port = int(re.search(r":(\d+)/", self.real)[1])
        user = self.cluster.vhost  # as unused as the virtual host
        node = self.cluster.node
        node.output("ctl", node.folder, "eval",
                    f'rabbit_auth_backend_internal:add_user(<<"{user}">>, <<"{SECRET}">>, <<"t">>), '
                    f'rabbit_auth_backend_internal:set_permissions(<<"{user}">>, <<"{user}">>, <<".*">>, <<".*">>, <<".*">>, '
                    '<<"t">>).')
        self.addCleanup(node.output, "ctl", node.folder, "eval",
                        f'rabbit_auth_backend_internal:delete_user(<<"{user}">>, <<"t">>).')
        password = SECRET.replace(",", "%2c")  # a comma separates URLs
        self.real = self.real.replace("guest:guest", f"{user}:{password}")
        self.urls = ",".join([re.sub(r":\d+/", f":{self.silent.port}/", self.real),
                              re.sub(r":\d+/", f":{free_port()}/", self.real), self.real])

    def connections(self, process):
        """(the kind of line, the role, the port) in the order of the log."""
        return [(kind, role, int(port)) for kind, role, port in re.findall(
            r'amqp: (connected|no connection) connection="(\w+)" broker="127\.0\.0\.1:(\d+)"', process.log())]

    def test_what_does_not_answer_is_passed_over(self):
        cluster = self.cluster.start_server("--amqp", self.urls)
        cluster.start_agent("a-1", "--amqp", self.urls)
        self.check_all_ran(cluster, cluster.api.batch([cluster.append(n, retry=QUICK) for n in range(50)]))

        # The real one is lost for a moment: it is tried again last, so the silent one has its turn, and is left.
        agent = cluster.agents["a-1"]
        before = self.connections(agent)
        cluster.api.crash_agent("a-1", "disconnect", duration_ms=1)
        self.check_all_ran(cluster, cluster.api.batch([cluster.append(n, retry=QUICK) for n in range(50)]))
        for role in ("publish", "consume"):
            self.wait(f"the connection to {role} is back", lambda role=role: (
                "connected", role, self.real_port) in self.connections(agent)[len(before):], 30)
            self.assertIn(("no connection", role, self.silent.port), self.connections(agent))
        for process in (cluster.server, agent):
            self.assertNotIn("cret", process.log())


if __name__ == "__main__":
    unittest.main()
