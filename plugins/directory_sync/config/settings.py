"""Every setting, validated once. The only reader of connections and of the environment.

Connections hold secrets and addresses, the environment holds switches (`DIRECTORY_SYNC_<NAME>`),
`resources.py` holds what is synced.
"""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urljoin, urlsplit

from croniter import croniter
from dlt.common.configuration.utils import auto_cast

from directory_sync.config.limits import RemovalLimits
from directory_sync.errors import ConfigError

API_CONNECTION = "directory_api"
WAREHOUSE_CONNECTION = "directory_warehouse"
LANDING_CONNECTION = "directory_landing"
API_EXTRA = frozenset(
    {
        "token_url", "scope", "auth_method", "verify", "timeout_seconds", "requests_per_second",
        "retry_statuses",
    }
)  # fmt: skip
RETRY_STATUSES = frozenset({408, 425, 520, 522, 524, 529})
"""What gateways answer in passing, besides the statuses that are always tried again (`transport.py`)."""
FIXED_STATUSES = frozenset({401, 403, 404, 410, 416})
"""Statuses with a meaning of their own."""
AUTH_METHODS = ("client_secret_post", "client_secret_basic")
TICKS_LOOKED_AT = 50
ENVIRONMENT_PREFIX = "DIRECTORY_SYNC_"
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far two clocks may be apart, where nothing else is said."""
UNSTORABLE = ("refuse", "quarantine")
"""What becomes of a snapshot with an entry that the warehouse cannot hold, or of that entry alone."""


@dataclass(frozen=True, kw_only=True)
class ConnectionFields:
    """An Airflow connection as plain data, whatever backend held it."""

    conn_id: str
    conn_type: str
    host: str = ""
    port: int | None = None
    schema: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def path(self) -> str:
        """The path of a connection to a file or folder: its extra's, its host, or a URI's own.

        Airflow takes the path of a URI, such as `duckdb:///data/warehouse.duckdb`, for a schema.
        """
        return str(self.extra.get("path") or self.host or (self.schema and f"/{self.schema.lstrip('/')}"))

    @property
    def said(self) -> dict[str, Any]:
        """The extra under the names that Airflow's providers document, without what says nothing.

        Older connections have their type before each name; a form stores what was left empty or unticked.
        """
        prefix = f"extra__{self.conn_type}__"
        named = sorted(self.extra.items(), key=lambda item: not item[0].startswith(prefix))
        return {name.removeprefix(prefix): value for name, value in named if value not in ("", None, False)}


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """How to reach the directory API and who we are there."""

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    token_url: str = "/oauth/token"
    scope: str = ""
    auth_method: str = "client_secret_post"
    verify: bool | str = True
    timeout_seconds: float = 30.0
    requests_per_second: float | None = None
    retry_statuses: frozenset[int] = RETRY_STATUSES
    conn_id: str = API_CONNECTION

    def __post_init__(self) -> None:
        """Raises ConfigError for a value no request could be made with."""
        where = f"connection `{self.conn_id}`"
        for name, url in (("host", self.base_url), ("token_url", self.token_url)):
            # Anywhere before the query: a password may hold a slash.
            if "@" in url.partition("?")[0]:
                raise ConfigError(
                    f"The {name} of {where} holds an `@`, before which a user or a password may stand; they "
                    "go into login and password; an `@` of a path is written `%40`. Nothing was requested."
                )
        if not _is_http_url(self.base_url) or not {"?", "#"}.isdisjoint(self.base_url):
            raise ConfigError(
                f"The host of {where} must be the API's base URL, such as https://directory.example.org, "
                "without a query. Nothing was requested."
            )
        for name, value in (("login", self.client_id), ("password", self.client_secret)):
            if not value:
                raise ConfigError(
                    f"The {name} of {where} is empty: it holds the OAuth2 client "
                    f"{'id' if name == 'login' else 'secret'}. Nothing was requested."
                )
        if self.auth_method not in AUTH_METHODS:
            raise ConfigError(
                f"`auth_method` of {where} is {self.auth_method!r}; valid: {', '.join(AUTH_METHODS)}."
            )
        if not self.timeout_seconds > 0:
            raise ConfigError(f"`timeout_seconds` of {where} must be above 0.")
        if self.requests_per_second is not None and not self.requests_per_second > 0:
            raise ConfigError(f"`requests_per_second` of {where} must be above 0, or be left out.")

    @property
    def absolute_token_url(self) -> str:
        """The token URL; a path counts from the base URL's host."""
        return urljoin(self.base_url, self.token_url)

    def url(self, path: str) -> str:
        """Returns the URL of an endpoint's path below the base URL."""
        if urlsplit(path).scheme:
            return path
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"

    @classmethod
    def from_connection(
        cls, connection: ConnectionFields | None, *, client: Mapping[str, Any] | None = None
    ) -> Self:
        """Reads the source connection.

        Args:
            connection: the connection `directory_api`; None where there is none.
            client: the `client` part of the resource's form. Its `base_url` and `token_url` serve
                where the connection has no host; its client id and secret hold as they stand.

        Raises:
            ConfigError: no connection, or a value that cannot be used.
        """
        if connection is None:
            raise missing_connection(API_CONNECTION)
        refuse_unknown(connection, API_EXTRA, outcome="Nothing was requested.")
        auth, timeout = dict((client or {}).get("auth") or {}), _number(connection, "timeout_seconds")
        extra = connection.extra
        base_url, token_url = _base_url(connection), extra.get("token_url")
        if not base_url:
            base_url = str((client or {}).get("base_url") or "")
            token_url = token_url or auth.get("token_url") or auth.get("access_token_url")
        return cls(
            base_url=base_url,
            client_id=_as_given(auth.get("client_id"), connection.login),
            client_secret=_as_given(auth.get("client_secret"), connection.password),
            token_url=str(token_url or "/oauth/token"),
            scope=str(extra.get("scope") or ""),
            auth_method=str(extra.get("auth_method") or "client_secret_post"),
            verify=_verify(extra.get("verify", True)),
            conn_id=connection.conn_id,
            timeout_seconds=30.0 if timeout is None else timeout,
            requests_per_second=_number(connection, "requests_per_second"),
            retry_statuses=_statuses(connection),
        )


def refuse_unknown(
    connection: ConnectionFields,
    known: Collection[str],
    *,
    outcome: str,
    given: Mapping[str, Any] | None = None,
) -> None:
    """Refuses a key of the extra that would be ignored, such as `verify_tls`.

    Args:
        connection: whose extra.
        known: what can be honoured.
        outcome: what was not done, in a sentence.
        given: the extra as it is to be read; None: what it says, see `ConnectionFields.said`.

    Raises:
        ConfigError: there is such a key; it is named, its value is not.
    """
    if unknown := sorted((connection.said if given is None else given).keys() - set(known)):
        raise ConfigError(
            f"`{unknown[0]}` in the extra of the connection `{connection.conn_id}` cannot be honoured; "
            f"valid: {', '.join(sorted(known))}. {outcome}"
        )


@dataclass(frozen=True, kw_only=True)
class SyncSettings:
    """The switches of a deployment; each is read from `DIRECTORY_SYNC_<NAME>`."""

    home: Path
    dataset: str = "directory"
    schedule: str = "0 3 * * *"
    shards: int = 4
    requests_in_flight: int = 8
    retention_days: int = 30
    memory_limit_mb: int = 0
    warehouse_wait_seconds: float = 120.0
    max_removed_share: float = RemovalLimits.max_removed_share
    max_removed_count: int = RemovalLimits.max_removed_count
    max_removed_share_7_days: float = RemovalLimits.max_removed_share_7_days
    max_removed_count_7_days: int = RemovalLimits.max_removed_count_7_days
    max_removed_share_30_days: float = RemovalLimits.max_removed_share_30_days
    max_removed_count_30_days: int = RemovalLimits.max_removed_count_30_days
    min_population: int = RemovalLimits.min_population
    max_small_share: float = RemovalLimits.max_small_share
    runs_may_raise_limits: bool = False
    approvers: tuple[str, ...] = ()
    ask_again_days: int = 7
    response_timeout_hours: float = 20.0
    max_changed_share: float = 0.5
    max_size_deviation: float = 0.2
    deadline_minutes: float = 0.0
    owner_link: str = ""
    clock_tolerance_minutes: float = CLOCK_TOLERANCE / timedelta(minutes=1)
    unstorable: str = "refuse"

    def __post_init__(self) -> None:
        """Raises ConfigError for a value outside its range."""
        if self.unstorable not in UNSTORABLE:
            raise ConfigError(
                f"{ENVIRONMENT_PREFIX}UNSTORABLE must be {' or '.join(UNSTORABLE)}; got {self.unstorable!r}."
            )
        for name in ("shards", "requests_in_flight", "retention_days", "ask_again_days"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{ENVIRONMENT_PREFIX}{name.upper()} must be 1 or more.")
        for name in (
            "warehouse_wait_seconds",
            "max_changed_share",
            "max_size_deviation",
            "deadline_minutes",
            "clock_tolerance_minutes",
            "memory_limit_mb",
        ):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{ENVIRONMENT_PREFIX}{name.upper()} must be 0 or more.")
        if not croniter.is_valid(self.schedule):
            raise ConfigError(
                f"{ENVIRONMENT_PREFIX}SCHEDULE must be a cron expression; got {self.schedule!r}."
            )
        if not self.response_timeout_hours > 0:
            raise ConfigError(f"{ENVIRONMENT_PREFIX}RESPONSE_TIMEOUT_HOURS must be above 0.")
        if self.owner_link and not _is_owner_link(self.owner_link):
            raise ConfigError(
                f"{ENVIRONMENT_PREFIX}OWNER_LINK must be a URL or mailto:...; got {self.owner_link!r}."
            )
        if not self.home.is_absolute():
            raise ConfigError(f"{ENVIRONMENT_PREFIX}HOME must be an absolute path; got {str(self.home)!r}.")
        self.removal_limits  # noqa: B018  validates them

    @property
    def removal_limits(self) -> RemovalLimits:
        """The removal limits of this deployment; a run's parameters may tighten them."""
        return RemovalLimits(**{limit.name: getattr(self, limit.name) for limit in fields(RemovalLimits)})

    @property
    def retention(self) -> timedelta:
        """How long landed snapshots are kept."""
        return timedelta(days=self.retention_days)

    @property
    def clock_tolerance(self) -> timedelta:
        """How far the clocks of two machines may be apart."""
        return timedelta(minutes=self.clock_tolerance_minutes)

    @property
    def response_timeout(self) -> timedelta:
        """How long removals wait for an answer: less than from one scheduled run to the next.

        A run that waits counts for the Dag's `max_active_runs`, so a scheduled one does not hold up the next
        night. A run by hand waits as long from when it asks: the night that falls due meanwhile waits for it.
        """
        ticks = croniter(self.schedule, datetime(2026, 1, 1, tzinfo=UTC), ret_type=datetime)
        times: list[datetime] = [ticks.get_next() for _ in range(TICKS_LOOKED_AT)]
        shortest = min(later - earlier for earlier, later in pairwise(times))
        return min(timedelta(hours=self.response_timeout_hours), shortest * 5 / 6)

    @property
    def deadline(self) -> timedelta | None:
        """How long a run may take from when it was queued until the alert; None: no alert."""
        return timedelta(minutes=self.deadline_minutes) or None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Reads the switches; a value that does not parse is a ConfigError naming the variable."""
        environment = os.environ if environment is None else environment
        airflow_home = Path(environment.get("AIRFLOW_HOME") or "~/airflow").expanduser()
        values: dict[str, Any] = {"home": airflow_home / "directory_sync"}
        for item in fields(cls):
            variable = ENVIRONMENT_PREFIX + item.name.upper()
            if environment.get(variable):
                values[item.name] = _parse(environment[variable], item.type, variable=variable)
        return cls(**values)


def _parse(text: str, kind: Any, *, variable: str) -> Any:
    parse: Mapping[Any, Callable[[str], Any]] = {
        int: int,
        float: float,
        Path: Path,
        bool: _flag,
        tuple[str, ...]: _listed,
    }
    try:
        return parse.get(kind, str)(text)
    except ValueError:
        valid = "true or false" if kind is bool else "a number"
        raise ConfigError(f"{variable} must be {valid}; got {text!r}.") from None


def _flag(text: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.strip().lower() not in known:
        raise ValueError(text)
    return known[text.strip().lower()]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _base_url(connection: ConnectionFields) -> str:
    """A connection given as a URI has its port and scheme apart from the host."""
    host = connection.host.strip()
    if not host:
        return ""
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    host = host.rstrip("/")
    if connection.port and _is_http_url(host) and urlsplit(host).port is None:
        parts = urlsplit(host)
        host = parts._replace(netloc=f"{parts.netloc}:{connection.port}").geturl()
    return host


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_owner_link(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.path) if parts.scheme == "mailto" else _is_http_url(text)


def _as_given(value: Any, field: str) -> str:
    """A client id or secret of the form, or the connection's field behind it.

    `dlt.secrets[...]` casts what looks like another type: a secret of digits arrives as a number.
    """
    if value is None or (not isinstance(value, str) and repr(auto_cast(field)) == repr(value)):
        return field
    return str(value)


def _verify(value: Any) -> bool | str:
    """TLS verification: a boolean, its spelling, or the path of a CA bundle."""
    if isinstance(value, bool):
        return value
    text = str(value).strip()
    if text.lower() in ("", "true", "1", "yes", "on"):
        return True
    return False if text.lower() in ("false", "0", "no", "off") else text


def environment_connection(conn_id: str) -> tuple[str, str | None]:
    """Returns the name of the variable that may hold a connection, and its text; None: it is not set."""
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    return variable, os.environ.get(variable)


def missing_connection(conn_id: str) -> ConfigError:
    """The error for a source connection that no backend has."""
    return ConfigError(
        f"There is no connection `{conn_id}`. Create one of the type `directory_api` (host = base URL, "
        f"login = client id, password = client secret) or set AIRFLOW_CONN_{conn_id.upper()}. Nothing was "
        "requested."
    )


def _statuses(connection: ConnectionFields) -> frozenset[int]:
    """`retry_statuses` of the extra: a list, or a text with commas; an empty list is none at all."""
    given = connection.extra.get("retry_statuses")
    if given in (None, ""):
        return RETRY_STATUSES
    items = given.replace(",", " ").split() if isinstance(given, str) else given
    texts = [str(item) for item in items] if isinstance(items, list | tuple) else ["no list"]
    wrong = [text for text in texts if not re.fullmatch("[45][0-9][0-9]", text)]
    if wrong or FIXED_STATUSES & set(map(int, texts)):
        raise ConfigError(
            f"`retry_statuses` of connection `{connection.conn_id}` must be statuses of 400 to 599, such as "
            f'"408, 520", other than {", ".join(map(str, sorted(FIXED_STATUSES)))}. Nothing was requested.'
        )
    return frozenset(map(int, texts))


def _number(connection: ConnectionFields, name: str) -> float | None:
    """A number of the connection's extra; None where it is not given."""
    value = connection.extra.get(name)
    if value in (None, ""):
        return None
    try:
        return float(cast("float", value))
    except (TypeError, ValueError):
        raise ConfigError(
            f"`{name}` of connection `{connection.conn_id}` must be a number; got {type(value).__name__}."
        ) from None
