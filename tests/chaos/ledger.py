#!/usr/bin/env python3
"""The ledger: a process of its own that writes down every effect it is told of, and never deduplicates.

  ledger.py SOCKET FILE

A line `start|end ID ATTEMPT PID HOW` on the socket becomes a row `monotonic wall start|end ID ATTEMPT PID HOW` of the
file, and is answered with one byte, `+`.  It knows nothing of commands: what should not be there is for the checker.
"""
import asyncio
import os
import sys
import time


class Ledger:
    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    async def serve(self, reader, writer):
        try:
            while line := await reader.readline():
                row = f"{time.monotonic():.6f} {time.time():.6f} ".encode() + line
                os.write(self.file, row)  # one write: whole rows, in the order they were told
                writer.write(b"+")
        except OSError:
            pass  # an executor that was killed
        finally:
            writer.close()


async def main(socket_path, path):
    ledger = Ledger(path)
    server = await asyncio.start_unix_server(ledger.serve, socket_path, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
