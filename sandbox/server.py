"""The sandbox on a free port of this machine, in a thread, for tests."""

import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import uvicorn
from typing_extensions import Self

from sandbox.app import create_app
from sandbox.directory import Directory
from sandbox.service import Sandbox
from sandbox.settings import Settings
from sandbox.stats import Stats

_START_SECONDS = 10.0


class SandboxServer:
    """A sandbox that serves inside a `with` block.

    Attributes:
        url: Its address without a final slash, e.g. `http://127.0.0.1:40123`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        port: int = 0,
    ) -> None:
        """Prepare a sandbox that does not serve yet.

        Args:
            settings: How it starts; None is the defaults.
            clock: Seconds that only grow: the time of tokens, rate limits and stale totals.
            port: Where it serves; 0 is a free one.
        """
        self._port = port
        self.url = ""
        self._sandbox = Sandbox(settings, clock)

    @property
    def directory(self) -> Directory:
        """The entries it serves."""
        return self._sandbox.directory

    @property
    def settings(self) -> Settings:
        """Its settings now; `configure` changes them."""
        return self._sandbox.settings

    @property
    def stats(self) -> Stats:
        """What was asked and answered."""
        return self._sandbox.stats

    def configure(self, **changes: Any) -> Settings:
        """Change some settings and return all.

        Raises:
            pydantic.ValidationError: A setting is unknown or its value not valid.
        """
        return self._sandbox.configure(changes)

    def revoke_tokens(self) -> None:
        """End every token that was granted, before its time."""
        self._sandbox.tokens.revoke_all()

    def reset(self) -> None:
        """Go back to the records and the settings of the start, with all stats at zero."""
        self._sandbox.reset()
        self._sandbox.stats.reset()

    def __enter__(self) -> Self:
        """Start serving.

        Raises:
            TimeoutError: It does not serve within ten seconds.
        """
        self._socket = socket.create_server(("127.0.0.1", self._port))
        config = uvicorn.Config(
            create_app(sandbox=self._sandbox),
            # A page dropped in mid-body is an error to uvicorn, and here what was asked for.
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="sandbox", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise TimeoutError(f"the sandbox does not serve within {_START_SECONDS:g} s")
            time.sleep(0.002)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving and close the port."""
        self._server.should_exit = True
        self._thread.join(_START_SECONDS)
        self._socket.close()
