"""The `client.auth` of a form: how to sign in to the API. Only the connection holds the secrets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from directory_sync.config.key_place import KeyPlace, check_key_place
from directory_sync.config.refusal import refuse, refuse_unknown
from directory_sync.errors import ConfigError

FROM_CONNECTION = "<from the connection>"
"""The placeholder that `dlt.secrets["client_id"]` returns while a form is read. It is never sent."""

CONNECTION_FIELDS = {
    "client_id": "login",
    "username": "login",
    "client_secret": "password",
    "password": "password",
    "token": "password",
    "api_key": "password",
}
"""The keys of `client.auth` that hold a secret, and the field of the connection that replaces each."""

OAUTH2, BEARER, API_KEY, BASIC = "oauth2_client_credentials", "bearer", "api_key", "http_basic"
NONE, OWN = "none", "a sign-in of its own"
AUTH_TYPES = (OAUTH2, BEARER, API_KEY, BASIC, NONE)
"""The types that a form and a connection can name; `oauth2` is OAUTH2."""

_KEYS = {
    OAUTH2: {
        "client_id", "client_secret", "token_url", "access_token_url", "access_token_request_data",
        "default_token_expiration",
    },
    BEARER: {"token"},
    API_KEY: {"api_key", "name", "location", "prefix"},
    BASIC: {"username", "password"},
    NONE: set(),
}  # fmt: skip
_OF_DLT = {
    "BearerTokenAuth": BEARER,
    "APIKeyAuth": API_KEY,
    "HttpBasicAuth": BASIC,
    "OAuth2ClientCredentials": OAUTH2,
}


@dataclass(frozen=True, kw_only=True)
class FormSignIn:
    """What a form says about the sign-in.

    Attributes:
        type: one of AUTH_TYPES, or OWN; None: the connection's `auth_type` decides.
        key: what the form says of an API key's place, by the names of KeyPlace.
        token_url: where tokens are requested; empty: not in the form.
        token_params: further parameters of a token request.
        token_seconds: how long a token is valid if the answer does not say it; None: not in the form.
        make: makes a `requests` auth object in the task, see `api/sign_in.py`; None: there is none.
    """

    type: str | None = None
    key: Mapping[str, str] = field(default_factory=dict)
    token_url: str = ""
    token_params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    token_seconds: float | None = None
    make: Callable[..., Any] | None = None


def check_sign_in(form: Mapping[str, Any]) -> None:
    """Checks `client.auth`, that no header goes beside it, and that `dlt.secrets` is used nowhere else.

    Args:
        form: the whole configuration; its `client` is a mapping.

    Raises:
        ConfigError: an auth type or a key is not supported, the form itself contains a secret, a header of
            the form would be overwritten, or `dlt.secrets` is used outside of `client.auth`.
    """
    client = form.get("client") or {}
    sign_in = parse_sign_in(client.get("auth"))
    if sign_in.type:
        place = KeyPlace(**sign_in.key)
        for where, endpoint in _with_headers(form):
            refuse_beside(
                sign_in.type,
                place,
                headers=endpoint.get("headers"),
                params=endpoint.get("params"),
                where=where,
            )
    if path := next(_places_of_secrets({**form, "client": {**client, "auth": None}}), None):
        _refuse_secret_at(path)


def parse_sign_in(auth: Any) -> FormSignIn:
    """Parses `client.auth` of a form.

    Args:
        auth: a mapping or the name of a type as in dlt, an auth object of dlt, a `requests` auth object, a
            function that makes one, or None.

    Raises:
        ConfigError: it is not supported, or it contains a secret.
    """
    if auth is None or auth == {}:
        return FormSignIn()
    if isinstance(auth, str):
        auth = {"type": auth}
    elif kind := _kind_of_dlt(auth):
        # Tested before a mapping: dlt's auth objects are mappings, too.
        given = {} if isinstance(auth, type) else {key: getattr(auth, key, None) for key in _KEYS[kind]}
        auth = {"type": kind, **{key: value for key, value in given.items() if value not in (None, {})}}
    elif callable(auth) or not isinstance(auth, Mapping):
        return FormSignIn(type=OWN, make=_maker(auth))
    named = auth.get("type") or (BEARER if "token" in auth else None)
    kind = known_type(named, where="`client.auth.type`")
    known = _KEYS[kind] if kind else set().union(*_KEYS.values())
    refuse_unknown(auth, {"type", *known}, where="`client.auth`")
    key = _key_place(auth)
    for name, connection_field in CONNECTION_FIELDS.items():
        value = auth.get(name)
        has_prefix = name == "api_key" and isinstance(value, str) and value.endswith(FROM_CONNECTION)
        if value not in (None, FROM_CONNECTION) and not has_prefix:
            refuse(
                f"The value of `{name}` in `client.auth`",
                f'dlt.secrets["{name}"], which stands for the {connection_field} of the connection',
            )
    params = auth.get("access_token_request_data") or {}
    if not isinstance(params, Mapping):
        raise ConfigError("`access_token_request_data` of `client.auth` must be a mapping.")
    others = {name: value for name, value in auth.items() if name not in CONNECTION_FIELDS}
    if path := next(_places_of_secrets(others, ("client", "auth")), None):
        _refuse_secret_at(path)
    return FormSignIn(
        type=kind,
        key=key,
        token_url=str(auth.get("token_url") or auth.get("access_token_url") or ""),
        token_params=params,
        token_seconds=_seconds(auth.get("default_token_expiration")),
    )


def known_type(name: Any, *, where: str) -> str | None:
    """Returns one of AUTH_TYPES for its name in a form or a connection; None: none is named.

    Args:
        name: the name.
        where: the setting, for messages.

    Raises:
        ConfigError: there is no such type.
    """
    if name in (None, ""):
        return None
    if name == "oauth2":
        return OAUTH2
    if name not in AUTH_TYPES:
        hint = "; for another sign-in give `client.auth` a function that returns a `requests` auth object"
        raise ConfigError(f"{where} is {name!r}; valid: oauth2, {', '.join(AUTH_TYPES)}{hint}.")
    return str(name)


def refuse_beside(
    auth_type: str,
    place: KeyPlace,
    *,
    headers: Mapping[str, Any] | None,
    params: Mapping[str, Any] | None,
    where: str,
) -> None:
    """Refuses a header or parameter of the form that the sign-in would overwrite.

    Args:
        auth_type: how the requests are signed.
        place: where the API key is, if the type is API_KEY.
        headers: the headers of the form.
        params: the query parameters of the form.
        where: the part of the form, for messages.

    Raises:
        ConfigError: both say who signs in.
    """
    if auth_type == NONE:
        return
    taken = place.name if auth_type == API_KEY and place.location == "header" else "Authorization"
    for name in headers or {}:
        if name.strip().lower() in {"authorization", taken.lower()}:
            raise ConfigError(
                f"The header `{name}` in {where} stands beside the sign-in `{auth_type}`, and both say who "
                f'signs in. Nothing was requested. Remove the header, or set the sign-in to "{NONE}": '
                "`client.auth.type` in the form, or `auth_type` of the connection."
            )
    if auth_type == API_KEY and place.location == "query" and place.name in (params or {}):
        refuse(f"The parameter `{place.name}` in {where}", "the connection's password: the sign-in adds it")


def _key_place(auth: Mapping[str, Any]) -> dict[str, str]:
    """Returns what is said of an API key's place. dlt writes a prefix into the key, before the secret."""
    found = {name: str(auth[name]) for name in ("name", "location", "prefix") if auth.get(name) is not None}
    key = auth.get("api_key")
    if isinstance(key, str) and key != FROM_CONNECTION and key.endswith(FROM_CONNECTION):
        if "prefix" in found:
            raise ConfigError("`client.auth` has a prefix twice: in `prefix`, and in `api_key`.")
        found["prefix"] = key.removesuffix(FROM_CONNECTION)
    if found.get("location") == "param":
        found["location"] = "query"
    check_key_place(found, where="`client.auth`")
    return found


def _seconds(given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        raise ConfigError("`default_token_expiration` of `client.auth` must be a number of seconds above 0.")
    return float(given)


def _maker(auth: Any) -> Callable[..., Any]:
    """Returns the function that makes the auth object; an object without a secret is returned as it is."""
    from requests.auth import AuthBase, HTTPBasicAuth

    if isinstance(auth, AuthBase):
        if isinstance(auth, HTTPBasicAuth) or _holds_placeholder(auth):
            raise ConfigError(
                f"`client.auth` is a {type(auth).__name__} object that holds a secret; the form must not, "
                "and it is read before the connection is. Give a function that makes the object in the task: "
                '`"auth": lambda connection: MyAuth(connection.login, connection.password)`; or a mapping, '
                'such as {"type": "http_basic"}.'
            )
        return lambda: auth
    if not callable(auth):
        raise ConfigError(
            f"`client.auth` is a {type(auth).__name__}; a mapping with a `type` is needed, or a function "
            "that returns a `requests` auth object."
        )
    made: Callable[..., Any] = auth
    return made


def _holds_placeholder(auth: Any) -> bool:
    return any(isinstance(v, str) and FROM_CONNECTION in v for v in getattr(auth, "__dict__", {}).values())


def _kind_of_dlt(auth: Any) -> str | None:
    """Returns the type that an auth class of dlt, or an object of it, stands for; None: it is another."""
    kind = auth if isinstance(auth, type) else type(auth)
    return _OF_DLT.get(kind.__name__) if kind.__module__.startswith("dlt.") else None


def _with_headers(form: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields the parts of a form that have headers or parameters, each with its name for messages."""
    client = form.get("client") or {}
    yield "`client`", {"headers": client.get("headers")}
    for one in (form.get("resource_defaults"), *(form.get("resources") or ())):
        endpoint = one.get("endpoint") if isinstance(one, Mapping) else None
        if isinstance(endpoint, Mapping):
            name = one.get("name")
            yield f"resource `{name}`" if name else "`resource_defaults`", endpoint


def _refuse_secret_at(path: Sequence[str]) -> None:
    refuse(
        f"A secret of the connection in `{'.'.join(path)}`",
        "`client.auth` only: elsewhere the connection's value does not replace it",
    )


def _places_of_secrets(value: Any, path: Sequence[str] = ()) -> Iterator[Sequence[str]]:
    if isinstance(value, str) and FROM_CONNECTION in value:
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _places_of_secrets(inner, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _places_of_secrets(inner, path)
