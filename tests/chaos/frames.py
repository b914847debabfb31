"""Splits the streams the proxy carries into frames, so that a fault can strike at a place where it is a fair one.

Neither AMQP nor the link has checksums: a flipped bit inside a payload, a number or a name is a different, valid
message, and no receiver could tell.  TCP's own checksum is there for that.  What a receiver must notice is broken
framing: a length that cannot be, a frame that does not end where it should, a type nobody knows.  Only those are
corrupted here.
"""
import struct

AMQP_HEADER = b"AMQP"
CONFIRM = struct.pack(">HH", 60, 80)  # basic.ack: from a broker it is only ever a publisher's confirm


class Frames:
    """Whole frames out of pieces; what is not whole yet stays here."""

    def __init__(self):
        self.rest = b""

    def split(self, data):
        data, at, found = self.rest + data, 0, []
        while (size := self.size(data, at)) is not None and len(data) - at >= size:
            found.append(data[at:at + size])
            at += size
        self.rest = data[at:]
        return found

    def size(self, data, at):
        raise NotImplementedError


class LinkFrames(Frames):
    """4 bytes of length, 4 of header length, the header (JSON), raw bytes."""

    def size(self, data, at):
        return 4 + int.from_bytes(data[at:at + 4], "big") if len(data) - at >= 4 else None

    @staticmethod
    def corrupt(frame, choice):
        """A length over the limit, or a header that is not JSON."""
        if choice % 2 == 0:
            return b"\xff" + frame[1:]
        return frame[:8] + b"\x00" + frame[9:]


class AmqpFrames(Frames):
    """type, channel, size, payload, 0xCE; before the first one of a client its protocol header."""

    def size(self, data, at):
        if data[at:at + 4] == AMQP_HEADER:
            return 8
        return 8 + int.from_bytes(data[at + 3:at + 7], "big") if len(data) - at >= 7 else None

    @staticmethod
    def corrupt(frame, choice):
        """A wrong end, or a type that does not exist."""
        if frame[:4] == AMQP_HEADER:
            return b"HTTP" + frame[4:]
        return frame[:-1] + b"\x00" if choice % 2 == 0 else b"\x63" + frame[1:]

    @staticmethod
    def is_confirm(frame):
        return frame[:1] == b"\x01" and frame[7:11] == CONFIRM


class HttpBytes:
    """Not split: the harness opens a connection for each request, so what comes first is a first line."""

    def __init__(self):
        self.first = True

    def split(self, data):
        return [data]

    def corrupt(self, data, _):
        """Neither a method nor a version; inside a body it might be other, valid JSON."""
        if not self.first:
            return None
        self.first = False
        return b"\x01" + data[1:]


KINDS = {"link": LinkFrames, "amqp": AmqpFrames, "http": HttpBytes}
