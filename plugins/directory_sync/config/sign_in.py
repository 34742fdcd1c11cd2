"""The `client.auth` of a form: how to sign in to the API. Only the connection holds the secrets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from directory_sync.config.refusal import refuse, refuse_unknown
from directory_sync.errors import ConfigError

FROM_CONNECTION = "<from the connection>"
"""The placeholder that `dlt.secrets["client_id"]` returns while a form is read. It is never sent."""

CONNECTION_FIELDS = {"client_id": "login", "client_secret": "password"}
"""The keys of `client.auth` that hold a secret, and the field of the connection that replaces each."""

AUTH_TYPES = ("oauth2", "oauth2_client_credentials")

_AUTH = {"type", "token_url", "access_token_url", *CONNECTION_FIELDS}


def check_sign_in(form: Mapping[str, Any]) -> None:
    """Checks `client.auth`, and that `dlt.secrets` is used nowhere else in the form.

    Args:
        form: the whole configuration; its `client` is a mapping.

    Raises:
        ConfigError: an auth type or a key is not supported, the form itself contains a secret, or
            `dlt.secrets` is used outside of `client.auth`.
    """
    client = form.get("client") or {}
    auth = client.get("auth") or {}
    refuse_unknown(auth, _AUTH, where="`client.auth`")
    if auth and auth.get("type") not in AUTH_TYPES:
        raise ConfigError(
            f"`client.auth.type` is {auth.get('type')!r}; this package signs in by OAuth2 client "
            f"credentials: {' or '.join(AUTH_TYPES)}."
        )
    for key, field in CONNECTION_FIELDS.items():
        if auth.get(key) not in (None, FROM_CONNECTION):
            refuse(
                f"The value of `{key}` in `client.auth`",
                f'dlt.secrets["{key}"], which stands for the {field} of the connection',
            )
    signed = {key: value for key, value in auth.items() if key not in CONNECTION_FIELDS}
    rest = {**form, "client": {**client, "auth": signed}}
    if path := next(_places_of_secrets(rest), None):
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
