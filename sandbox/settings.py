"""What the sandbox can be told to do, validated once."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from typing_extensions import Self

logger = logging.getLogger(__name__)

ENVIRONMENT_PREFIX = "SANDBOX_"
SERVER_VARIABLES = frozenset({"SANDBOX_HOST", "SANDBOX_PORT"})

Sort = Literal["id", "-id", "name"]
BodyFault = Literal[
    "none", "html", "truncated", "not_json", "missing_list", "null_list", "nan", "duplicate_keys"
]


def _listed(value: object) -> object:
    """The parts of a comma-separated string; anything else as it is."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _answerable(status: int) -> int:
    """The status itself, if a scripted answer may have it.

    Raises:
        ValueError: It is neither 200 (answer as usual) nor 400 to 599.
    """
    if status != 200 and not 400 <= status <= 599:
        raise ValueError(f"a scripted status is 200 (answer as usual) or 400 to 599, not {status}")
    return status


Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
ErrorStatus = Annotated[int, Field(ge=400, le=599)]
Key = Annotated[str, Field(min_length=1)]
Statuses = Annotated[tuple[Annotated[int, AfterValidator(_answerable)], ...], BeforeValidator(_listed)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Settings:
    """How the sandbox behaves. Every field is also the variable `SANDBOX_<FIELD>`.

    Attributes:
        entries: Entries at the start; None is one for each airport.
        client_id: The only client that gets a token.
        client_secret: Its secret.
        token_seconds: Lifetime of a token; the answer tells the whole seconds of it.
        single_token: A new token revokes the older ones.
        sort: Order of the pages when the request names none.
        page_cap: The largest page; a higher `limit` is lowered to it.
        data_key: Name of the list in a page.
        total_key: Name of the total in a page.
        total: The total is right, left out, null, or that of `total_lag_seconds` ago.
        total_lag_seconds: Age of a stale total.
        latency_ms: Wait before each page, in milliseconds.
        latency_jitter_ms: At most so much more, in milliseconds, drawn evenly.
        requests_per_second: Above it /v1 answers 429; 0 is no limit. Up to one second's worth
            may come at once.
        retry_after: Form of Retry-After: a number, an HTTP date, or no header.
        retry_after_seconds: Its value. None: 429 tells the wait that is needed, and the
            faults of `fail_next` and `error_rate` have no such header.
        fail_next: Statuses of the next page requests, consumed in order; 200 answers as usual.
        error_rate: Share of page requests answered with `error_status`.
        error_status: That status.
        empty_page_rate: Share of pages without entries, although there are some.
        drop_rate: Share of pages whose connection is closed in mid-body.
        body_fault: What is wrong with the body of a page.
        body_fault_rate: Share of pages it is wrong with.
        fault_seed: Seed of all of these draws.
        ignore_offset: Every page is the first; the answer still repeats the offset asked for.
        hidden_share: Share of the initial entries that is invisible, as with a lost permission.
        churn_per_request: Expected number of edits made before each page is answered.
        churn_kind: Inserts, deletes, either, or `burst`: rare, `churn_burst_size` at once.
        churn_where: Anywhere, at the first position of the served order, or at `boundary`: the
            last position before the page asked for, where an edit shifts entries over the edge.
        churn_burst_size: Edits in one burst, all inserts or all deletes.
        churn_seed: Seed of the churn.
    """

    entries: Annotated[int, Field(ge=0, le=2_000_000)] | None = None
    client_id: Key = "sandbox-client"
    client_secret: Key = "sandbox-secret-not-a-real-one"
    token_seconds: Annotated[float, Field(gt=0)] = 3600.0
    single_token: bool = False
    sort: Sort = "id"
    page_cap: Annotated[int, Field(ge=1)] = 1000
    data_key: Key = "data"
    total_key: Key = "total"
    total: Literal["present", "absent", "null", "stale"] = "present"
    total_lag_seconds: Amount = 60.0
    latency_ms: Amount = 0.0
    latency_jitter_ms: Amount = 0.0
    requests_per_second: Amount = 0.0
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    retry_after_seconds: Amount | None = None
    fail_next: Statuses = ()
    error_rate: Share = 0.0
    error_status: ErrorStatus = 503
    empty_page_rate: Share = 0.0
    drop_rate: Share = 0.0
    body_fault: BodyFault = "none"
    body_fault_rate: Share = 1.0
    fault_seed: int = 0
    ignore_offset: bool = False
    hidden_share: Share = 0.0
    churn_per_request: Amount = 0.0
    churn_kind: Literal["insert", "delete", "both", "burst"] = "both"
    churn_where: Literal["random", "head", "boundary"] = "random"
    churn_burst_size: Annotated[int, Field(ge=1)] = 20
    churn_seed: int = 0

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        """The settings themselves, if the keys of a page are distinct."""
        if len({self.data_key, self.total_key, "limit", "offset"}) < 4:
            raise ValueError("data_key and total_key differ from each other, `limit` and `offset`")
        return self

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """These settings with some others, validated.

        Raises:
            pydantic.ValidationError: A setting is unknown or its value not valid.
        """
        return type(self)(**{**dataclasses.asdict(self), **changes})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings of `SANDBOX_<FIELD>` variables; an empty one counts as not set.

        Raises:
            pydantic.ValidationError: A value is not valid.
        """
        known = {ENVIRONMENT_PREFIX + field.name.upper(): field.name for field in _fields(cls)}
        values: dict[str, Any] = {}
        for variable, value in environment.items():
            if variable in known and value:
                values[known[variable]] = value
            elif variable.startswith(ENVIRONMENT_PREFIX) and variable not in (
                SERVER_VARIABLES | known.keys()
            ):
                logger.warning("%s is not a setting of the sandbox; it has no effect", variable)
        return cls(**values)


def _fields(settings: type[Settings]) -> tuple[dataclasses.Field[Any], ...]:
    """The dataclass fields of the settings."""
    return dataclasses.fields(settings)
