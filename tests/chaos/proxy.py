#!/usr/bin/env python3
"""The fault proxy: one process between any two of the system, told what to do over a Unix socket.

  proxy.py SOCKET

Requests are JSON lines, each answered by one:
  {"op": "route", "name": "a-1.link", "kind": "link|amqp|http", "port": 7070}   -> {"port": N}, where to connect instead
  {"op": "set", "name": …, "way": "up|down", FAULT…}   up: towards `port`
  {"op": "set", "name": …, "refuse": true}             whoever connects is turned away
  {"op": "reset", "name": …}                           RST to both sides of every connection
  {"op": "clear", "name": …}                           no fault any more; what a black hole held back flows on
  {"op": "counts"}                                     -> how often each fault did something
FAULT: delay_ms, blackhole (the socket stays, nothing is read), cut_after (bytes, then RST), corrupt (frames, then no
more), swallow (confirms of the broker).
"""
import asyncio
import collections
import json
import socket
import struct
import sys

import frames

PIECE = 65536
LINGER_NONE = struct.pack("ii", 1, 0)
COUNTS = collections.Counter()


class Way:
    """One direction of a route, for all its connections."""

    def __init__(self):
        self.open = asyncio.Event()
        self.clear()

    def clear(self):
        self.delay_ms, self.cut_after, self.corrupt, self.swallow = 0, None, 0, False
        self.open.set()

    def set(self, delay_ms=0, blackhole=False, cut_after=None, corrupt=0, swallow=False):
        self.delay_ms, self.cut_after, self.corrupt, self.swallow = delay_ms, cut_after, corrupt, swallow
        (self.open.clear if blackhole else self.open.set)()


class Pump:
    """Carries one direction of one connection."""

    def __init__(self, connection, way, reader, writer):
        self.connection, self.way, self.reader, self.writer = connection, way, reader, writer
        self.name = connection.route.name
        self.frames = frames.KINDS[connection.route.kind]()
        self.last_release = 0.0
        self.loop = asyncio.get_running_loop()

    async def run(self):
        while True:
            await self.passable()
            data = await self.reader.read(PIECE)
            if not data:
                return
            await self.passable()  # the hole may have opened while it was on its way
            for frame in self.frames.split(data):
                self.forward(frame)
            await self.writer.drain()

    async def passable(self):
        if not self.way.open.is_set():
            COUNTS[self.name + " blackhole"] += 1
            await self.way.open.wait()

    def forward(self, frame):
        way = self.way
        if self.writer.is_closing():
            return  # the other side has gone meanwhile
        if way.swallow and isinstance(self.frames, frames.AmqpFrames) and self.frames.is_confirm(frame):
            COUNTS[self.name + " swallow"] += 1
            return
        if way.corrupt and (broken := self.frames.corrupt(frame, way.corrupt)) is not None:
            way.corrupt -= 1
            COUNTS[self.name + " corrupt"] += 1
            frame = broken
        if way.cut_after is not None:
            self.cut(frame)
        else:
            self.send(frame)

    def cut(self, frame):
        part = frame[:self.way.cut_after]
        self.way.cut_after -= len(part)
        self.writer.write(part)
        if len(part) < len(frame):
            COUNTS[self.name + " cut"] += 1
            self.way.cut_after = None
            # The part has to leave before the RST discards what is unsent.
            self.loop.call_later(0.01, self.connection.reset)

    def send(self, frame):
        now = self.loop.time()
        if not self.way.delay_ms and self.last_release <= now:
            self.writer.write(frame)
            return
        # Later pieces never overtake: the loop does not keep the order of equal times.
        self.last_release = max(now + self.way.delay_ms / 1000, self.last_release + 1e-6)
        self.loop.call_at(self.last_release, self.late, frame)

    def late(self, frame):
        COUNTS[self.name + " delay"] += 1
        if not self.writer.is_closing():
            self.writer.write(frame)


class Connection:
    def __init__(self, route, reader, writer):
        self.route, self.reader, self.writer = route, reader, writer
        self.far_writer = None

    async def run(self):
        try:
            far_reader, self.far_writer = await asyncio.open_connection("127.0.0.1", self.route.port)
            ways = [Pump(self, self.route.up, self.reader, self.far_writer),
                    Pump(self, self.route.down, far_reader, self.writer)]
            tasks = [asyncio.ensure_future(pump.run()) for pump in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(max(0, *(pump.last_release - pump.loop.time() for pump in ways)))
        except OSError:
            self.reset()  # nobody listens at the far end: neither does the proxy
        finally:
            self.close()

    def sides(self):
        return [side for side in (self.writer, self.far_writer) if side is not None]

    def close(self):
        for side in self.sides():
            side.close()

    def reset(self):
        for side in self.sides():
            if not side.is_closing():
                side.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                side.transport.abort()


class Route:
    def __init__(self, name, kind, port):
        self.name, self.kind, self.port = name, kind, port
        self.up, self.down, self.refuse, self.connections = Way(), Way(), False, set()

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=512)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        connection = Connection(self, reader, writer)
        if self.refuse:
            COUNTS[self.name + " refuse"] += 1
            connection.reset()
            return
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)

    def clear(self):
        self.up.clear()
        self.down.clear()
        self.refuse = False

    def reset(self):
        for connection in list(self.connections):
            COUNTS[self.name + " reset"] += 1
            connection.reset()


class Control:
    def __init__(self):
        self.routes = {}

    async def serve(self, reader, writer):
        while line := await reader.readline():
            answer = await self.obey(json.loads(line))
            writer.write(json.dumps(answer).encode() + b"\n")
        asyncio.get_running_loop().stop()  # the harness is gone

    async def obey(self, request):
        op = request.pop("op")
        if op == "counts":
            return dict(COUNTS)
        if op == "route":
            route = self.routes[request["name"]] = Route(**request)
            return {"port": await route.start()}
        route = self.routes[request.pop("name")]
        if op == "set" and "refuse" in request:
            route.refuse = request["refuse"]
        elif op == "set":
            getattr(route, request.pop("way")).set(**request)
        else:
            {"clear": route.clear, "reset": route.reset}[op]()
        return {}


def main(path):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(asyncio.start_unix_server(Control().serve, path))
    loop.run_forever()


if __name__ == "__main__":
    main(sys.argv[1])
