"""An S3 API for the tests: moto's server over real HTTP, which also knows its key, counts and can refuse."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from directory_sync.config.connections import ConnectionFields

BUCKET = "landing-zone"


@dataclass(frozen=True)
class Request:
    """One request as the server got it, and how many bytes it answered."""

    method: str
    path: str
    answered: int
    is_refused: bool = False


@dataclass
class Bucket:
    """Where it listens, who may come in, and what it was asked.

    Attributes:
        refuse: tells of a request, by its number from 0, whether it gets a 503 `SlowDown`.
        latency_seconds: waits so long before it answers a request.
    """

    port: int
    key_id: str
    secret: str
    requests: list[Request] = field(default_factory=list)
    refuse: Callable[[int], bool] = lambda _: False
    latency_seconds: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connection_of(self, home: Path, **other: Any) -> ConnectionFields:
        """The connection `directory_landing` of a deployment: a prefix of its own."""
        return ConnectionFields(
            conn_id="directory_landing",
            conn_type="aws",
            login=other.get("login", self.key_id),
            password=other.get("password", self.secret),
            extra={"bucket_url": _url_of(home), "endpoint_url": self.url},
        )

    def sizes(self, url: str) -> dict[str, int]:
        """The bytes of each file below a URL."""
        found = _open(self.connection_of(Path())).find(url, detail=True)
        return {path: info["size"] for path, info in found.items()}


@contextmanager
def running_bucket() -> Iterator[Bucket]:
    """Serves one empty bucket until the block ends."""
    # moto makes boto3 clients of its own at import.
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)
    bucket = Bucket(0, key_id=f"AKIA{secrets.token_hex(8).upper()}", secret=secrets.token_hex(20))

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if f"Credential={bucket.key_id}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return refuse(start, "403 Forbidden", "InvalidAccessKeyId")
        time.sleep(bucket.latency_seconds)
        asked = len(bucket.requests)
        if bucket.refuse(asked):
            bucket.requests.append(
                Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], 0, is_refused=True)
            )
            return refuse(start, "503 Slow Down", "SlowDown")
        body = b"".join(app(environ, start))
        bucket.requests.append(Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], len(body)))
        return [body]

    def refuse(start: Any, status: str, code: str) -> Iterable[bytes]:
        start(status, [("Content-Type", "application/xml")])
        return [f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()]

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    bucket.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        # moto's buckets belong to the process: an earlier server may have left this one.
        _open(bucket.connection_of(Path())).makedirs(BUCKET, exist_ok=True)
        yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def copied_landing(connection: ConnectionFields, home: Path) -> ConnectionFields:
    """The landing zone once more, for another deployment."""
    fs = _open(connection)
    source, target = str(connection.extra["bucket_url"]), _url_of(home)
    for path in fs.find(source):
        fs.copy(path, f"{target}{fs.unstrip_protocol(path).removeprefix(source)}")
    return replace(connection, extra={**connection.extra, "bucket_url": target})


def _url_of(home: Path) -> str:
    return f"s3://{BUCKET}/{sha256(str(home).encode()).hexdigest()[:16]}"


def _open(connection: ConnectionFields) -> Any:
    import s3fs

    return s3fs.S3FileSystem(
        key=connection.login,
        secret=connection.password,
        endpoint_url=connection.extra["endpoint_url"],
        use_listings_cache=False,
        skip_instance_cache=True,
    )
