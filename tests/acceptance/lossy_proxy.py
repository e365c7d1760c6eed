"""`python -m tests.acceptance.lossy_proxy LISTEN TARGET ORDER`: PostgreSQL's socket, with a network that loses answers.

While the file ORDER exists, it holds words of a statement. The first COMMIT of a transaction with such a statement
reaches the server, its answer is thrown away, and the connection is cut; ORDER is removed, to say that it happened.
"""

import asyncio
import sys
from pathlib import Path

BYTES_MAX = 65_536


class Connection:
    """One client's connection and its twin to the server."""

    def __init__(self, order: Path) -> None:
        self._order = order
        self._meant = False  # the open transaction holds the statement
        self._losing = False

    async def to_server(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        """Pass on what the client says, and listen."""
        while said := await client.read(BYTES_MAX):
            words = self._words()
            self._meant = self._meant or (bool(words) and words in said)
            if b"COMMIT\x00" in said:
                self._losing = self._meant and bool(words)
                self._meant = False
            server.write(said)
            await server.drain()
        server.close()

    async def to_client(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Pass on what the server says, unless it is to be lost."""
        while said := await server.read(BYTES_MAX):
            if self._losing:
                self._order.unlink(missing_ok=True)
                break
            client.write(said)
            await client.drain()
        client.transport.abort()

    def _words(self) -> bytes:
        return self._order.read_bytes() if self._order.exists() else b""


async def serve(listen: str, target: str, order: Path) -> None:
    """Serve until somebody ends the process."""

    async def connected(client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(target)
        connection = Connection(order)
        ways = connection.to_server(client_reader, server_writer), connection.to_client(server_reader, client_writer)
        await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_unix_server(connected, listen)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
