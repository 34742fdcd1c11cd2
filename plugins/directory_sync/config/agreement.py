"""The sign-in that a form and a connection name together; where they disagree, it is refused."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.key_place import KeyPlace, check_key_place
from directory_sync.config.sign_in import API_KEY, OAUTH2, FormSignIn, known_type
from directory_sync.config.token_options import (
    JWT_BEARER,
    NO_SECRET,
    PRIVATE_KEY_JWT,
    SECRET_BASIC,
    SECRET_POST,
    TokenOptions,
)
from directory_sync.errors import ConfigError


def auth_type_of(connection: ConnectionFields, form: FormSignIn) -> str:
    """Returns how requests are signed: as the form says, else as the connection says.

    Raises:
        ConfigError: both say it, and differ.
    """
    where = f"`auth_type` of connection `{connection.conn_id}`"
    given = known_type(connection.extra.get("auth_type"), where=where)
    if form.type and given and form.type != given:
        raise ConfigError(
            f"`client.auth` of the form is `{form.type}`, but {where} is `{given}`. Nothing was requested. "
            "Correct one of them, or remove it: the other alone then decides."
        )
    return form.type or given or OAUTH2


def auth_method_of(connection: ConnectionFields, tokens: TokenOptions) -> str:
    """Returns how the client says who it is at the token URL; an assertion as the grant says it already.

    Raises:
        ConfigError: the private key of the grant would be sent as a secret.
    """
    given = str(connection.extra.get("auth_method") or "")
    if tokens.grant_type == JWT_BEARER and given in (SECRET_POST, SECRET_BASIC):
        raise ConfigError(
            f"`auth_method` of connection `{connection.conn_id}` is {given!r}, but with the grant "
            f"{JWT_BEARER} the password is a private key, which is never sent. Nothing was requested. Remove "
            f"it, or set {PRIVATE_KEY_JWT!r}."
        )
    return given or (NO_SECRET if tokens.grant_type == JWT_BEARER else SECRET_POST)


def key_place_of(connection: ConnectionFields, form: FormSignIn, *, auth_type: str) -> KeyPlace:
    """Returns where requests have the API key, as the form and the connection say together.

    Args:
        connection: the source connection.
        form: what the form says.
        auth_type: how requests are signed.

    Raises:
        ConfigError: both say it, and differ; or the sign-in has no API key.
    """
    where, extra = f"connection `{connection.conn_id}`", connection.extra
    names = ("name", "location", "prefix")
    said = {name: str(extra[f"key_{name}"]) for name in names if extra.get(f"key_{name}")}
    if said and auth_type != API_KEY:
        raise ConfigError(
            f"`key_{next(iter(said))}` of {where} is only for the sign-in `{API_KEY}`, and it is "
            f"`{auth_type}`. Nothing was requested. Set `auth_type` to {API_KEY!r}, or remove it."
        )
    check_key_place(said, where=where)
    for name in said.keys() & form.key.keys():
        if said[name].strip() != form.key[name].strip():
            raise ConfigError(
                f"`{name}` in `client.auth` of the form is {form.key[name]!r}, but `key_{name}` of {where} "
                f"is {said[name]!r}. Nothing was requested. Remove one of them."
            )
    return KeyPlace(**{**form.key, **said})


def with_connection(make: Callable[..., Any], connection: ConnectionFields) -> Callable[[], Any]:
    """Returns a function without arguments; one that takes an argument gets the connection."""
    needed = [
        one
        for one in signature(make).parameters.values()
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    return partial(make, connection) if needed else make
