"""RabbitMQ restarted, killed, wiped, paused, out of memory; its queues purged, deleted, filled with copies."""
import time

from strike import Missed, hold

QUEUE = "duly.execute.default"


def broker_restart(strike):
    strike.targets.append("broker")
    strike.world.node.stop()
    yield hold(strike, 0.0, 0.5)
    strike.world.node.start()


def broker_kill(strike):
    strike.targets.append("broker")
    strike.world.node.kill()
    strike.kills["kill -9 broker"] += 1
    yield hold(strike, 0.0, 0.5)
    strike.world.node.start()


def broker_wipe(strike):
    """Everything it knew is gone: queues, messages, bindings."""
    strike.targets.append("broker")
    strike.client.burst(200)
    strike.world.node.kill()
    strike.kills["kill -9 broker"] += 1
    strike.world.node.wipe()
    yield hold(strike, 0.0, 0.5)
    strike.world.node.start()


def broker_pause(strike):
    strike.targets.append("broker")
    strike.world.node.script("pause", strike.world.node.folder)
    strike.kills["SIGSTOP broker"] += 1
    yield hold(strike, 0.5, 2.0)
    strike.world.node.script("resume", strike.world.node.folder)


def broker_alarm(strike):
    """Over its memory mark it reads no more from who publishes."""
    node = strike.world.node
    strike.targets.append("broker")
    node.output("ctl", node.folder, "set_vm_memory_high_watermark", "0.000001")
    yield hold(strike, 0.5, 1.5)
    node.output("ctl", node.folder, "set_vm_memory_high_watermark", "0.4")


def with_backlog(harm):
    def fault(strike):
        """While more lies in the queue than executors have taken."""
        strike.targets.append(QUEUE)
        strike.client.burst(250, payload={"ms": 60})
        with strike.world.connect() as broker:
            deadline = time.monotonic() + 3
            while not harm(broker, strike.rng):
                if time.monotonic() > deadline:
                    raise Missed("nothing lay in the queue")
                strike.client.burst(50, payload={"ms": 60})
        yield 0.1
    return fault


def purge(broker, _):
    return broker.purge(QUEUE) > 0


def delete(broker, _):
    broker.delete(QUEUE)
    return True


def copies(broker, rng):
    """Each message taken off is put back several times, as it was."""
    taken = [broker.get(QUEUE) for _ in range(5)]
    for message in filter(None, taken):
        for _ in range(rng.randrange(2, 6)):
            broker.publish("duly.execute", "default", message["body"], message["headers"], type=message["type"],
                           message_id=message["message_id"])
    return any(taken)


def broker_faults():
    return {"broker restart": broker_restart, "broker kill": broker_kill, "broker wipe": broker_wipe,
            "broker pause": broker_pause, "broker memory alarm": broker_alarm, "queue purge": with_backlog(purge),
            "queue delete": with_backlog(delete), "messages copied": with_backlog(copies)}
