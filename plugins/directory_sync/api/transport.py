"""Sends requests at the rate of the shard, with retries. It does not know sign-ins or pages.

This table decides what is retried:

    429, 500, 502, 503, 504    at most 3 retries: after 2, 4 and 8 s, after `Retry-After`, or, for a 429, at
    `retry_statuses`             the reset of the rate limit; then ApiUnavailableError
    lost connections, timeouts
    403                        as 429, if it has `Retry-After` or says that the rate limit is used up
    every other status         is returned to the caller
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from requests import Request, Response
from requests.auth import AuthBase

from directory_sync.api.allowance import read_allowances
from directory_sync.api.exchange import Exchange, address
from directory_sync.api.rate import RequestRate
from directory_sync.api.told_rate import Place
from directory_sync.api.waits import (
    RESET_MARGIN_SECONDS,
    backoff_seconds,
    is_exhausted,
    reset_seconds,
    retry_after_seconds,
)
from directory_sync.config.access import ApiSettings
from directory_sync.config.older_python import UTC
from directory_sync.errors import ApiUnavailableError

logger = logging.getLogger(__name__)

RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})
MAX_RETRIES = 3
LONGEST_SLEEP_SECONDS = 60.0
RESET_SLACK_SECONDS = 4.0
"""Added to LONGEST_SLEEP_SECONDS: a limit per minute is reset after up to a minute of the server's clock."""


@dataclass
class Attempts:
    """The attempts to get one answer.

    Attributes:
        retries: how many requests failed before the answer.
        refused: how many of these were a 429, or a 403 that asks to wait.
        auth: what signed the latest request; None: it was not signed.
        requested_at: when the latest request was sent, in UTC.
        answer: the answer to the latest request; None: the connection was lost.
        failure: the status, or how the connection was lost, for messages.
        url: where the latest request went.
    """

    retries: int = 0
    refused: int = 0
    auth: AuthBase | None = field(default=None, repr=False)
    requested_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    answer: Response | None = field(default=None, repr=False)
    failure: str = ""
    url: str = field(default="", repr=False)


class Transport:
    """Sends requests. It may be used from several threads.

    Args:
        api: address, timeouts, statuses to retry.
        rate: paces the requests of all threads; None: a new one, with the ceiling of `api`.
        connections: how many connections are kept alive.
        max_retries: how often one request is sent again.
        sleep: waits for a number of seconds.
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
        self._rate = rate or RequestRate(api.requests_per_second, place=Place(api.client_number, api.clients))
        self._sleep = sleep
        self._max_retries = max_retries
        self._exchange = Exchange(api, connections=connections)

    @property
    def requests(self) -> int:
        """How many requests were sent, including redirects and retries."""
        return self._exchange.requests

    def begin_at(self, requests_per_second: float) -> None:
        """Begins at a rate that an earlier run found, see `RequestRate.begin_at`."""
        self._rate.begin_at(requests_per_second)

    def send(self, request: Request, where: str) -> Response:
        """Sends a request unchanged, with retries; returns the answer with its body read.

        Args:
            request: the request.
            where: the request, for messages.

        Raises:
            ApiUnavailableError: no answer after the retries.
            EnvelopeError: the body cannot be read.
            ConfigError: the TLS certificate is not trusted, or the URL is malformed.
        """
        attempts = Attempts()
        # What another server, such as that of the token, says of its limits does not hold for the API.
        for _ in self.tries(attempts, where, follows_limits=False):
            self.try_once(request, attempts, where=where)
        assert attempts.answer is not None
        return attempts.answer

    def tries(self, attempts: Attempts, where: str, *, follows_limits: bool = True) -> Iterator[None]:
        """Yields each time the caller is to send the request by `try_once`; ends with a final answer.

        Args:
            attempts: the attempts so far; `try_once` and this method update it.
            where: the request, for messages.
            follows_limits: whether the answer's headers tell of the API's limits.

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
                if follows_limits:
                    self._rate.told(read_allowances(response.headers))
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
                    + "."
                    + (address(attempts.url) if response is None else "")
                    + " Nothing was published. Airflow tries again; check whether the API is available.",
                    retry_after_seconds=asked if asked and asked > longest else None,
                )
            retry = f"retry {failures} of {self._max_retries}"
            logger.warning("%s: %s; %s in %.1f s", where, attempts.failure, retry, wait)
            self._sleep(wait)

    def try_once(self, request: Request, attempts: Attempts, *, where: str) -> None:
        """Sends a request once, signed by the `auth` of `attempts`, and records the outcome there.

        Args:
            request: the request, unsigned.
            attempts: has what signs it; takes the outcome.
            where: the request, for messages.

        Raises:
            EnvelopeError, ConfigError: see `send`.
        """
        attempts.requested_at, attempts.url = datetime.now(UTC), request.url
        attempts.answer, attempts.failure = self._exchange.send(request, attempts.auth, where=where)

    def close(self) -> None:
        """Closes the kept connections."""
        self._exchange.close()

    def _is_passing(self, status: int, asked: float | None) -> bool:
        if status == 403:
            # A 403 without a wait is a permanent refusal.
            return asked is not None
        return status in RETRYABLE_STATUSES or status in self._api.retry_statuses


def _asked_to_wait(response: Response | None) -> tuple[float | None, float]:
    """Returns how long the API asks to wait (None: it does not), and the longest wait to sleep here."""
    if response is None:
        return None, LONGEST_SLEEP_SECONDS
    headers, status = response.headers, response.status_code
    asked = retry_after_seconds(headers.get("Retry-After"))
    if asked is None and (status == 429 or (status == 403 and is_exhausted(headers))):
        return reset_seconds(headers), LONGEST_SLEEP_SECONDS + RESET_MARGIN_SECONDS + RESET_SLACK_SECONDS
    return asked, LONGEST_SLEEP_SECONDS
