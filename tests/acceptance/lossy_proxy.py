"""`python -m tests.acceptance.lossy_proxy LISTEN TARGET ORDER` runs a network that loses answers.

It forwards from the socket LISTEN to PostgreSQL's socket TARGET.

While the file ORDER exists, it contains words of a statement. The first COMMIT of a transaction with such a statement
reaches the server, but the proxy drops the answer and cuts the connection. It removes ORDER to report this.
"""

import asyncio
import sys
from pathlib import Path

BYTES_MAX = 65_536


class Connection:
    """One client's connection and the matching connection to the server."""

    def __init__(self, order: Path) -> None:
        self._order = order
        self._has_statement = False  # the open transaction contains the statement
        self._losing = False

    async def to_server(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        """Forward what the client sends, and watch for the statement."""
        while sent := await client.read(BYTES_MAX):
            words = self._words()
            self._has_statement = self._has_statement or (bool(words) and words in sent)
            if b"COMMIT\x00" in sent:
                self._losing = self._has_statement and bool(words)
                self._has_statement = False
            server.write(sent)
            await server.drain()
        server.close()

    async def to_client(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Forward what the server sends, except the answer to drop."""
        while sent := await server.read(BYTES_MAX):
            if self._losing:
                self._order.unlink(missing_ok=True)
                break
            client.write(sent)
            await client.drain()
        client.transport.abort()

    def _words(self) -> bytes:
        return self._order.read_bytes() if self._order.exists() else b""


async def serve(listen: str, target: str, order: Path) -> None:
    """Serve until the process is ended."""

    async def connected(client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(target)
        connection = Connection(order)
        ways = connection.to_server(client_reader, server_writer), connection.to_client(server_reader, client_writer)
        await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_unix_server(connected, listen)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
