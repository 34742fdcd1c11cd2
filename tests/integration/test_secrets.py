"""No secret and no token stands in a log, in the landing zone, in the warehouse or in a temporary file."""

import base64
import logging
import tempfile
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.capture import Capture
from tests.integration.cycle import Cycle

SENTINEL = "s3ntinel/+ secret&=%"
CLIENT = "sentinel-client"


def forms_of(secret: str) -> set[str]:
    """A secret as it may stand in a text: plain, URL-encoded, as a Basic header."""
    pairs = [f"{CLIENT}:{form}" for form in (secret, quote_plus(secret), quote(secret))]
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return plain | {base64.b64encode(text.encode()).decode().rstrip("=") for text in [*plain, *pairs]}


def keep(folder: tempfile.TemporaryDirectory[str], *_: object) -> None:
    folder._finalizer.detach()


def leaks(found: bytes, secrets: set[str]) -> list[str]:
    return [secret[:4] for secret in secrets if secret.encode() in found]


@pytest.mark.duckdb
@pytest.mark.parametrize("auth_method", ["client_secret_post", "client_secret_basic"])
def test_no_secret_is_left_behind(
    captured: Capture,
    tmp_path: Path,
    auth_method: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "temporary"
    kept.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(kept))
    # What would be deleted at the end of a task is read as well.
    monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", keep)
    monkeypatch.setattr(tempfile.TemporaryDirectory, "__exit__", keep)
    settings = Settings(entries=150, client_id=CLIENT, client_secret=SENTINEL, page_cap=50)
    with SandboxServer(settings) as api:
        cycle = Cycle(
            url=api.url,
            home=tmp_path / "home",
            client_id=CLIENT,
            secret=SENTINEL,
            extra={"auth_method": auth_method},
        )
        cycle.run("one")
        api.directory.edit(2, 2, remove=2, seed=1)
        api.revoke_tokens()
        cycle.run("two")
        api.configure(body_fault="html")
        with pytest.raises(Exception) as caught:  # noqa: PT011  which one is not the point here
            cycle.run("three")
        logging.getLogger("captured").error("failed", exc_info=caught.value)
    tokens = set(cycle.tokens) - {SENTINEL}
    secrets = forms_of(SENTINEL) | {form for token in tokens for form in forms_of(token)}
    assert len(tokens) >= 4
    streams = capfd.readouterr()
    logged = "\n".join([*captured.lines, streams.out, streams.err])
    assert "GET /v1/directory" in logged
    assert leaks(logged.encode(), secrets) == []
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "warehouse.duckdb" for path in files)
    assert [path.name for path in files if leaks(path.read_bytes(), secrets)] == []
