"""What the proxy does between two processes: silence, delay, cut, corruption, swallowed confirms."""
import time

from strike import Missed, hold

EFFECTS = {"delay_ms": "delay", "blackhole": "blackhole", "cut_after": "cut", "corrupt": "corrupt",
           "swallow": "swallow"}  # what the proxy counts when a fault has done something


class Route:
    """A route, drawn for this strike, and the proof that the fault met traffic."""

    def __init__(self, strike, route):
        self.strike, self.proxy = strike, strike.world.proxy
        self.name = strike.agent() + route if route.startswith(".") else route
        if not route.startswith("."):
            strike.targets.append(route)
        self.before, self.expected = self.proxy.ask("counts"), set()

    def set(self, **ways):
        for way, fault in ways.items():
            self.proxy.set(self.name, way=way, **fault)
            self.expected |= {EFFECTS[kind] for kind in fault}

    def traffic(self):
        """Work for every shard; and some that dies, because only dead letters go from the server to the broker."""
        if self.name == "http":
            self.strike.pulse = False  # the load is the traffic; this thread is not to hang with it
            return
        self.strike.client.burst(40)
        if self.name == "server.amqp":
            self.strike.client.send([self.strike.client.make("hopeless") for _ in range(20)])

    def heal(self, reset=False):
        self.proxy.clear(self.name)
        if reset:
            self.proxy.reset(self.name)
        now = self.proxy.ask("counts")
        without = [effect for effect in sorted(self.expected)
                   if now.get(f"{self.name} {effect}", 0) == self.before.get(f"{self.name} {effect}", 0)]
        if without:
            raise Missed(f"{self.name}: no {without} happened")


def through_proxy(route, reset_at_end=False, loses_shards=False, seconds=(0.3, 1.0), **ways):
    """`ways`: up=, down= with a fault each, or a function that draws one."""
    def fault(strike):
        way = Route(strike, route)
        move = strike.will_lose_shards(strike.targets[-1]) if loses_shards else {}
        way.set(**{name: what(strike.rng) if callable(what) else what for name, what in ways.items()})
        move["struck"] = time.time()
        way.traffic()
        yield hold(strike, *seconds)
        way.heal(reset_at_end)
    return fault


def proxy_reset(route):
    """Until three have met a connection: those of HTTP are short, and a reset between two of them is none."""
    def fault(strike):
        way = Route(strike, route)
        way.expected.add("reset")
        before = way.before.get(f"{way.name} reset", 0)
        deadline = time.monotonic() + 3
        while way.proxy.ask("counts").get(f"{way.name} reset", 0) < before + 3 and time.monotonic() < deadline:
            way.traffic()
            way.proxy.reset(way.name)
            time.sleep(strike.rng.uniform(0.01, 0.06))
        yield 0.1
        way.heal()
    return fault


def proxy_refuse(route):
    def fault(strike):
        """Cut, and turned away for a while."""
        way = Route(strike, route)
        way.expected.add("refuse")
        way.proxy.set(way.name, refuse=True)
        way.proxy.reset(way.name)
        yield hold(strike, 0.3, 1.5)
        way.heal()
    return fault


def delay(least, most):
    return lambda rng: {"delay_ms": rng.randrange(least, most)}


def cut(most):
    return lambda rng: {"cut_after": int(most ** rng.random())}


def swallow(strike):
    """The broker has the messages, nobody is told; then the connections go, and all of it is in doubt."""
    way = Route(strike, ".amqp")
    way.set(down={"swallow": True})
    strike.client.burst(100)
    yield hold(strike, 0.3, 0.8)
    way.heal(reset=True)


def swallow_for_long(strike):
    """Longer than an agent waits for a confirm: it must act by itself."""
    way = Route(strike, ".amqp")
    way.set(down={"swallow": True})
    strike.client.burst(100)
    yield 11.0
    way.heal()


HOLE = {"blackhole": True}
LEASE = (1.5, 2.2)  # seconds, with a lease of one: silence that costs the shards


def proxy_faults():
    found = {}
    for route, label in ((".link", "link"), (".amqp", "amqp"), ("server.amqp", "server-amqp"), ("http", "http")):
        found[label + " reset"] = proxy_reset(route)
        found[label + " refuse"] = proxy_refuse(route)
        found[label + " blackhole both"] = through_proxy(route, up=HOLE, down=HOLE, seconds=LEASE,
                                                         loses_shards=label == "link")
        found[label + " delay"] = through_proxy(route, up=delay(20, 300), down=delay(20, 300))
        found[label + " corrupt up"] = through_proxy(route, up={"corrupt": 1})
        found[label + " corrupt down"] = through_proxy(route, down={"corrupt": 2})
        found[label + " cut up"] = through_proxy(route, up=cut(4000))
        found[label + " cut down"] = through_proxy(route, down=cut(20 if label == "server-amqp" else 4000))
    found["link blackhole up"] = through_proxy(".link", up=HOLE, seconds=LEASE, loses_shards=True)
    found["link blackhole down"] = through_proxy(".link", down=HOLE, seconds=LEASE)
    found["link blackhole up, then reset"] = through_proxy(".link", up=HOLE, seconds=LEASE, reset_at_end=True)
    found["amqp blackhole up"] = through_proxy(".amqp", up=HOLE)
    found["amqp blackhole down"] = through_proxy(".amqp", down=HOLE, reset_at_end=True)
    found["http blackhole down"] = through_proxy("http", down=HOLE, reset_at_end=True)
    found["amqp confirms swallowed"] = swallow
    found["amqp confirms swallowed for long"] = swallow_for_long
    # Beyond the deadline of a publish, and long enough for the kernel's buffers to fill.
    found["amqp blackhole up for long"] = through_proxy(".amqp", up=HOLE, seconds=(6.0, 7.0))
    return found
