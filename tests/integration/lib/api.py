"""The HTTP API from outside."""
import datetime
import http.client
import json
import time
import urllib.parse

ENDED = ("succeeded", "dead", "cancelled", "expired", "delivered")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


def instant(text):
    """Milliseconds since 1970 of an answer's instant."""
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def in_ms(offset):
    """The instant so many milliseconds from now, as text."""
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(milliseconds=offset)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Unexpected(AssertionError):
    pass


class Api:
    def __init__(self, port):
        self.port = port
        self.tls = None  # an ssl.SSLContext: https

    def connect(self, timeout=75):
        if self.tls is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.tls)

    def ask(self, method, path, body=None, headers=None, timeout=75):
        """One request on a connection of its own.  `body`: bytes as they are, anything else as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        elif method in ("POST", "PUT"):
            body = b""
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def want(self, status, method, path, body=None, headers=None):
        answer = self.ask(method, path, body, headers)
        if answer.status != status:
            raise Unexpected(f"{method} {path}: wanted {status}, got {answer!r}")
        return answer

    def get(self, path, **query):
        return self.want(200, "GET", path + ("?" + urllib.parse.urlencode(query) if query else "")).json

    def post(self, path, body=None, status=200):
        return self.want(status, "POST", path, body).json

    # ---- commands

    def submit(self, type="builtin.noop", payload=None, key=None, **fields):
        """The command as answered with 201; `idempotency` is the header's value."""
        headers = {"Idempotency-Key": fields.pop("idempotency")} if "idempotency" in fields else None
        body = {"type": type, **fields}
        if payload is not None:
            body["payload"] = payload
        if key is not None:
            body["key"] = key
        return self.want(201, "POST", "/v1/commands", body, headers).json

    def batch(self, commands):
        ids = []
        for at in range(0, len(commands), 1000):
            items = self.post("/v1/commands/batch", {"commands": commands[at:at + 1000]}, 201)["items"]
            ids += [item["id"] for item in items]
        return ids

    def command(self, id, wait_ms=None):
        return self.get(f"/v1/commands/{id}", **({"wait_ms": wait_ms} if wait_ms is not None else {}))

    def ended(self, id, seconds=20):
        """The command after its end."""
        deadline = time.monotonic() + seconds
        while True:
            command = self.command(id, max(1, min(5000, int((deadline - time.monotonic()) * 1000))))
            if command["state"] in ENDED:
                return command
            if time.monotonic() > deadline:
                explain = self.get(f"/v1/commands/{id}/explain")
                raise Unexpected(f"not ended within {seconds} s: {command}; {explain}")

    def walk(self, limit=1000, **query):
        """Every command that a filter finds, page by page."""
        items, cursor = [], None
        while True:
            page = self.get("/v1/commands", limit=limit, **query, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def explain(self, id):
        return {reason["code"] for reason in self.get(f"/v1/commands/{id}/explain")["reasons"]}

    # ---- the rest

    def stats(self):
        return self.get("/v1/stats")

    def totals(self):
        return self.stats()["totals"]

    def unfinished(self):
        counts = self.stats()["commands"]
        return sum(count for state, count in counts.items() if state not in ENDED)

    def agent(self, name):
        answer = self.ask("GET", f"/v1/agents/{name}")
        return answer.json if answer.status == 200 else None

    def shard_map(self):
        """{shard: agent}, those that are held for good only."""
        return {item["shard"]: item["agent"] for item in self.get("/v1/shards")["items"] if item["state"] == "held"}

    def epochs(self):
        return {item["shard"]: item["epoch"] for item in self.get("/v1/shards")["items"]}

    def crash_agent(self, name, mode, point="now", after=1, **fields):
        body = {"mode": mode, "point": point, "after": after, **fields}
        return self.want(202, "POST", f"/v1/agents/{name}/simulate-crash", body)

    def crash_server(self, mode, point="now", after=1, **fields):
        return self.want(202, "POST", "/v1/server/simulate-crash", {"mode": mode, "point": point, "after": after, **fields})
