"""A small AMQP 0-9-1 client: declare, publish with confirms, get.  One channel, one thread, every wait has an end."""
import socket
import struct
import urllib.parse

FRAME_METHOD, FRAME_HEADER, FRAME_BODY, FRAME_END = 1, 2, 3, 0xCE
TEXT_PROPERTIES = [(15, "content_type"), (14, "content_encoding"), (10, "correlation_id"), (9, "reply_to"),
                   (8, "expiration"), (7, "message_id"), (5, "type"), (4, "user_id"), (3, "app_id")]
NUMBER_PROPERTIES = {11: ("priority", ">B"), 6: ("timestamp", ">Q")}


class Closed(Exception):
    """The broker closed the channel: 404 for a queue that is not there."""

    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code = code


def short(text):
    data = text.encode()
    return struct.pack(">B", len(data)) + data


def long(data):
    return struct.pack(">I", len(data)) + data


class Typed:
    """A header of just this AMQP kind: a number of one of Reader.NUMBERS, else the bytes of its value."""

    def __init__(self, kind, value):
        self.kind, self.value = kind, value


def field(value):
    if isinstance(value, Typed):
        if value.kind not in Reader.NUMBERS:
            return value.kind.encode() + value.value
        return value.kind.encode() + struct.pack(Reader.NUMBERS[value.kind], value.value)
    if isinstance(value, bool):
        return b"t" + struct.pack(">B", value)
    if isinstance(value, int):
        return b"l" + struct.pack(">q", value)
    if isinstance(value, dict):
        return b"F" + table(value)
    return b"S" + long(value if isinstance(value, bytes) else str(value).encode())


def table(values):
    return long(b"".join(short(name) + field(value) for name, value in values.items()))


class Reader:
    NUMBERS = {"t": ">?", "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "T": ">Q",
               "f": ">f", "d": ">d"}

    def __init__(self, data):
        self.data, self.at = data, 0
        self.encoded = {}  # of every header: its kind and its value as they came

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def short(self):
        return self.take(self.number(">B")).decode()

    def table(self):
        end = self.number(">I") + self.at
        values = {}
        while self.at < end:
            name = self.short()
            begin = self.at
            values[name] = self.value()
            self.encoded[name] = self.data[begin:self.at]
        return values

    def value(self):
        kind = chr(self.number(">B"))
        if kind in self.NUMBERS:
            return self.number(self.NUMBERS[kind])
        if kind in "Sx":
            return self.take(self.number(">I")).decode(errors="replace")
        if kind == "F":
            return self.table()
        if kind == "D":
            return self.take(5)
        if kind == "A":
            end = self.number(">I") + self.at
            values = []
            while self.at < end:
                values.append(self.value())
            return values
        return None


class Connection:
    def __init__(self, url, timeout=10):
        parts = urllib.parse.urlsplit(url)
        vhost = urllib.parse.unquote(parts.path[1:]) or "/"
        self.socket = socket.create_connection((parts.hostname, parts.port or 5672), timeout)
        self.buffer = b""
        self.published = 0
        self.socket.sendall(b"AMQP\0\0\x09\x01")
        self.wait(10, 10)
        user = urllib.parse.unquote(parts.username or "guest").encode()
        password = urllib.parse.unquote(parts.password or "guest").encode()
        self.method(0, 10, 11, table({"product": "duly-test"}) + short("PLAIN") +
                    long(b"\0" + user + b"\0" + password) + short("en_US"))
        tune = self.wait(10, 30)
        channels, self.frame_max, _ = tune.number(">H"), tune.number(">I"), tune.number(">H")
        self.method(0, 10, 31, struct.pack(">HIH", channels, self.frame_max, 0))
        self.method(0, 10, 40, short(vhost) + short("") + b"\0")
        self.wait(10, 41)
        self.open_channel()

    def open_channel(self):
        self.method(1, 20, 10, short(""))
        self.wait(20, 11)
        self.method(1, 85, 10, b"\0")  # confirms
        self.wait(85, 11)
        self.published = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # ---- frames

    def frame(self, kind, channel, payload):
        return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([FRAME_END])

    def method(self, channel, cls, number, arguments):
        self.socket.sendall(self.frame(FRAME_METHOD, channel, struct.pack(">HH", cls, number) + arguments))

    def read(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the broker closed the connection")
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_frame(self):
        while True:
            kind, channel, size = struct.unpack(">BHI", self.read(7))
            payload = self.read(size)
            self.read(1)
            if kind != 8:  # a heartbeat
                return kind, channel, payload

    def wait(self, cls, *numbers):
        """The next method of these; anything that ends the channel raises."""
        while True:
            kind, _, payload = self.read_frame()
            reader = Reader(payload)
            if kind != FRAME_METHOD:
                continue
            got = (reader.number(">H"), reader.number(">H"))
            if got[0] == cls and got[1] in numbers:
                reader.method = got[1]
                return reader
            if got == (20, 40):
                closed = Closed(reader.number(">H"), reader.short())
                self.method(1, 20, 41, b"")
                self.open_channel()
                raise closed
            if got == (10, 50):
                raise Closed(reader.number(">H"), reader.short())

    # ---- what tests need

    def declare_exchange(self, name, kind="direct"):
        self.method(1, 40, 10, b"\0\0" + short(name) + short(kind) + b"\x02" + table({}))
        self.wait(40, 11)

    def delete_exchange(self, name):
        self.method(1, 40, 20, b"\0\0" + short(name) + b"\0")
        self.wait(40, 21)

    def declare_queue(self, name, arguments=None):
        self.method(1, 50, 10, b"\0\0" + short(name) + b"\x02" + table(arguments or {}))
        self.wait(50, 11)

    def bind(self, queue, exchange, routing_key):
        self.method(1, 50, 20, b"\0\0" + short(queue) + short(exchange) + short(routing_key) + b"\0" + table({}))
        self.wait(50, 21)

    def depth(self, queue):
        """(ready messages, consumers), or None when there is no such queue."""
        self.method(1, 50, 10, b"\0\0" + short(queue) + b"\x01" + table({}))
        try:
            answer = self.wait(50, 11)
        except Closed as closed:
            if closed.code == 404:
                return None
            raise
        answer.short()
        return answer.number(">I"), answer.number(">I")

    def purge(self, queue):
        self.method(1, 50, 30, b"\0\0" + short(queue) + b"\0")
        return self.wait(50, 31).number(">I")

    def delete(self, queue):
        self.method(1, 50, 40, b"\0\0" + short(queue) + b"\0")
        return self.wait(50, 41).number(">I")

    def publish(self, exchange, routing_key, body, headers=None, confirm=True, **properties):
        """Publishes persistently; waits for the broker's confirm, unless that is left to confirmed()."""
        flags, values = (1 << 12), []
        ordered = dict(TEXT_PROPERTIES)
        for bit in range(15, 1, -1):
            if bit == 13 and headers is not None:
                flags |= 1 << 13
                values.append(table(headers))
            elif bit == 12:
                values.append(b"\x02")
            elif NUMBER_PROPERTIES.get(bit, ("", ""))[0] in properties:
                name, form = NUMBER_PROPERTIES[bit]
                flags |= 1 << bit
                values.append(struct.pack(form, properties[name]))
            elif properties.get(ordered.get(bit)):
                flags |= 1 << bit
                values.append(short(properties[ordered[bit]]))
        head = struct.pack(">HHQH", 60, 0, len(body), flags) + b"".join(values)
        self.method(1, 60, 40, b"\0\0" + short(exchange) + short(routing_key) + b"\0")
        frames = self.frame(FRAME_HEADER, 1, head)
        step = (self.frame_max or 131072) - 8
        for at in range(0, len(body), step):
            frames += self.frame(FRAME_BODY, 1, body[at:at + step])
        self.socket.sendall(frames)
        self.published += 1
        if confirm:
            self.confirmed()

    def confirmed(self):
        """Everything published so far is with the broker."""
        while self.wait(60, 80).number(">Q") < self.published:
            pass

    def get(self, queue):
        """Takes one message off: a dict, or None when the queue is empty."""
        self.method(1, 60, 70, b"\0\0" + short(queue) + b"\x01")
        answer = self.wait(60, 71, 72)
        if answer.method == 72:
            return None
        answer.take(9)
        message = {"exchange": answer.short(), "routing_key": answer.short()}
        _, _, payload = self.read_frame()
        message.update(self.properties(Reader(payload)))
        body = b""
        while len(body) < message["size"]:
            body += self.read_frame()[2]
        message["body"] = body
        return message

    @staticmethod
    def properties(reader):
        reader.take(4)
        found = {"size": reader.number(">Q"), "headers": {}}
        flags = reader.number(">H")
        texts = dict(TEXT_PROPERTIES)
        for bit in range(15, 1, -1):
            if not flags & 1 << bit:
                continue
            if bit == 13:
                found["headers"] = reader.table()
                found["encoded"] = reader.encoded
            elif bit in (12, 11):
                found["delivery_mode" if bit == 12 else "priority"] = reader.number(">B")
            elif bit == 6:
                found["timestamp"] = reader.number(">Q")
            else:
                found[texts[bit]] = reader.short()
        return found

    def drain(self, queue):
        messages = []
        while (message := self.get(queue)) is not None:
            messages.append(message)
        return messages
