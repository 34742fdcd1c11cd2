"""Sends requests: paced, and again where that may help. It knows of no token and of no page.

One table decides what is sent again:

    429, 500, 502, 503, 504    at most 3 retries, after 2, 4 and 8 s, `Retry-After` or, after a 429, when the
    `retry_statuses`             rate limit is lifted; then ApiUnavailableError
    lost connections, timeouts
    403                        as 429, with `Retry-After` or with a rate limit that is used up
    every other status         the answer, to whoever sent the request
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from requests import Request, Response

from directory_sync.api.exchange import Exchange
from directory_sync.api.rate import RequestRate
from directory_sync.api.waits import (
    RESET_MARGIN_SECONDS,
    backoff_seconds,
    is_exhausted,
    reset_seconds,
    retry_after_seconds,
)
from directory_sync.config.access import ApiSettings
from directory_sync.errors import ApiUnavailableError

logger = logging.getLogger(__name__)

RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})
MAX_RETRIES = 3
LONGEST_SLEEP_SECONDS = 60.0
RESET_SLACK_SECONDS = 4.0
"""A limit per minute can take a minute to be lifted, and the clocks and the margin on top."""


@dataclass
class Attempts:
    """What it takes to get one answer.

    Attributes:
        retries: requests that failed before it.
        refused: how many of these were 429, or a 403 that asks to wait.
        token: what signed the latest request; empty: nothing.
        requested_at: when the latest request went out.
        answer: of the latest request; None where the connection was lost.
        failure: the status, or how the connection was lost, for messages.
    """

    retries: int = 0
    refused: int = 0
    token: str = field(default="", repr=False)
    requested_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    answer: Response | None = field(default=None, repr=False)
    failure: str = ""


class Transport:
    """Sends requests, from any number of threads.

    Args:
        api: address, timeouts, statuses to retry.
        rate: paces the requests of all threads.
        connections: how many to keep alive.
        max_retries: how often one request is sent again.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        api: ApiSettings,
        *,
        rate: RequestRate | None = None,
        connections: int = 8,
        max_retries: int = MAX_RETRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Opens no connection yet."""
        self._api = api
        self._rate = rate or RequestRate(api.requests_per_second)
        self._sleep = sleep
        self._max_retries = max_retries
        self._exchange = Exchange(api, connections=connections)

    @property
    def requests(self) -> int:
        """How many requests were sent, redirects and retries included."""
        return self._exchange.requests

    def send(self, request: Request, where: str) -> Response:
        """Sends a request as it is, and again where that may help; returns the answer, its body read.

        Raises:
            ApiUnavailableError: no answer after the retries.
            EnvelopeError: the body cannot be read.
            ConfigError: TLS is not trusted, or the URL is none.
        """
        attempts = Attempts()
        for _ in self.tries(attempts, where):
            self.try_once(request, attempts, where=where)
        assert attempts.answer is not None
        return attempts.answer

    def tries(self, attempts: Attempts, where: str) -> Iterator[None]:
        """Yields when a request is to be sent, by `try_once`; ends when its answer is not to be retried.

        Raises:
            ApiUnavailableError: no answer after the retries.
        """
        failures = 0
        while True:
            sent_at = self._rate.wait()
            yield
            response = attempts.answer
            asked, longest = _asked_to_wait(response)
            if response is not None and not self._is_passing(response.status_code, asked):
                self._rate.succeeded()
                return
            failures += 1
            attempts.retries += 1
            wait = backoff_seconds(failures) if asked is None else asked
            if response is not None and response.status_code in (403, 429):
                attempts.refused += 1
                self._rate.refused(sent_at=sent_at, wait_seconds=min(wait, longest))
            if failures > self._max_retries or wait > longest:
                raise ApiUnavailableError(
                    f"{where}: {attempts.failure}"
                    + (f", {failures} time(s) in a row" if self._max_retries else "")
                    + (f"; the API asks to wait {asked:,.0f} s" if asked else "")
                    + ". Nothing was published. Airflow tries again; look at the API's status.",
                    retry_after_seconds=asked if asked and asked > longest else None,
                )
            retry = f"retry {failures} of {self._max_retries}"
            logger.warning("%s: %s; %s in %.1f s", where, attempts.failure, retry, wait)
            self._sleep(wait)

    def try_once(self, request: Request, attempts: Attempts, *, where: str) -> None:
        """Sends a request once, signed with the token of `attempts`, and notes its outcome there."""
        attempts.requested_at = datetime.now(UTC)
        attempts.answer, attempts.failure = self._exchange.send(request, attempts.token, where=where)

    def close(self) -> None:
        """Closes the kept connections."""
        self._exchange.close()

    def _is_passing(self, status: int, asked: float | None) -> bool:
        if status == 403:
            # A refusal for good asks for no wait.
            return asked is not None
        return status in RETRYABLE_STATUSES or status in self._api.retry_statuses


def _asked_to_wait(response: Response | None) -> tuple[float | None, float]:
    """How long the API asks to wait, None: it does not; and how long a worker would sleep for it."""
    if response is None:
        return None, LONGEST_SLEEP_SECONDS
    headers, status = response.headers, response.status_code
    asked = retry_after_seconds(headers.get("Retry-After"))
    if asked is None and (status == 429 or (status == 403 and is_exhausted(headers))):
        return reset_seconds(headers), LONGEST_SLEEP_SECONDS + RESET_MARGIN_SECONDS + RESET_SLACK_SECONDS
    return asked, LONGEST_SLEEP_SECONDS
