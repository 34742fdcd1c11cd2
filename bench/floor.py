"""The floor: asyncio on bare sockets, as many requests in flight as ours has, orjson, one bulk insert."""

import asyncio
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import orjson
import pyarrow as pa

from bench.server import CLIENT_ID, CLIENT_SECRET

IN_FLIGHT = 32
LIMIT = 100


def run(url: str, home: Path) -> None:
    """Reads the whole list and writes it into a new table."""
    rows = asyncio.run(read(url))
    with duckdb.connect(home / "warehouse.duckdb") as database:
        database.register("entries", pa.Table.from_pylist(rows))
        database.execute("CREATE SCHEMA directory")
        database.execute("CREATE TABLE directory.directory_resource AS FROM entries")


async def read(url: str) -> list[dict[str, Any]]:
    """The entries, as the pages come."""
    host, port = str(urlsplit(url).hostname), urlsplit(url).port
    form = f"grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}".encode()
    reader, writer = await asyncio.open_connection(host, port)
    head = f"POST /oauth/token HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(form)}\r\n\r\n"
    token = (await _exchange(reader, writer, head.encode() + form))["access_token"]
    rest = f" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"

    def request(offset: int) -> bytes:
        return f"GET /v1/directory?limit={LIMIT}&offset={offset}{rest}".encode()

    first = await _exchange(reader, writer, request(0))
    rows: list[dict[str, Any]] = first["data"]
    offsets = deque(range(LIMIT, first["total"], LIMIT))

    async def one(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        while offsets:
            rows.extend((await _exchange(*connection, request(offsets.popleft())))["data"])
        connection[1].close()

    more = [await asyncio.open_connection(host, port) for _ in range(min(IN_FLIGHT, len(offsets)) - 1)]
    await asyncio.gather(*(one(connection) for connection in ((reader, writer), *more)))
    return rows


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Any:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    _, _, length = head.partition(b"Content-Length: ")
    return orjson.loads(await reader.readexactly(int(length.split(b"\r\n", 1)[0])))
