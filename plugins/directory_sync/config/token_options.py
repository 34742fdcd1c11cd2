"""How an OAuth2 token is requested: what the extra of the connection says beyond its URL."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.older_python import Self
from directory_sync.config.private_key import PrivateKey
from directory_sync.errors import ConfigError

CLIENT_CREDENTIALS, REFRESH_TOKEN = "client_credentials", "refresh_token"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SECRET_POST, SECRET_BASIC = "client_secret_post", "client_secret_basic"
PRIVATE_KEY_JWT, SECRET_JWT = "private_key_jwt", "client_secret_jwt"
MTLS, NO_SECRET = "tls_client_auth", "none"
AUTH_METHODS = (SECRET_POST, SECRET_BASIC, PRIVATE_KEY_JWT, SECRET_JWT, MTLS, NO_SECRET)
"""How a client says who it is at the token URL, by the names of OpenID Connect and RFC 8705."""
TOKEN_BODIES = ("form", "json")
TOKEN_EXTRA = frozenset(
    {
        "grant_type", "token_params", "token_body", "credential_fields", "token_path", "token_prefix",
        "refresh_token", "subject", "jwt_algorithm", "jwt_headers", "jwt_claims", "private_key_passphrase",
    }
)  # fmt: skip
_GRANTS = {"jwt-bearer": JWT_BEARER, "jwt_bearer": JWT_BEARER}


@dataclass(frozen=True, kw_only=True)
class TokenOptions:
    """How a token is requested, and how it is sent. The URL, scope and method are in ApiSettings.

    Attributes:
        grant_type: the grant, as the request names it.
        params: further parameters of the request; a value of None leaves a parameter out.
        body: how the parameters are sent, one of TOKEN_BODIES.
        credential_fields: the names under which the request has the login and the password.
        path: a JSONPath to the token in the answer.
        prefix: the word before the token in the header `Authorization`.
        seconds: how long a token is valid if the answer does not say it; None: until it is refused.
        refresh_token: the token of the grant `refresh_token`; empty: the password is it.
        subject: on whose behalf an assertion asks; empty: the login's.
        algorithm: the algorithm that signs assertions; empty: the key's usual one.
        jwt_headers: further headers of an assertion, such as `kid`.
        jwt_claims: further claims of an assertion, or other values of the usual ones.
        passphrase: the passphrase of the private key; empty: it is not encrypted.
    """

    grant_type: str = CLIENT_CREDENTIALS
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    body: str = "form"
    credential_fields: tuple[str, str] = ("client_id", "client_secret")
    path: str = "access_token"
    prefix: str = "Bearer"
    seconds: float | None = None
    refresh_token: str = field(default="", repr=False)
    subject: str = ""
    algorithm: str = ""
    jwt_headers: Mapping[str, Any] = field(default_factory=dict)
    jwt_claims: Mapping[str, Any] = field(default_factory=dict)
    passphrase: str = field(default="", repr=False)

    @classmethod
    def from_connection(
        cls,
        connection: ConnectionFields,
        *,
        form_params: Mapping[str, Any],
        seconds: float | None,
        key: PrivateKey,
    ) -> Self:
        """Reads the options.

        Args:
            connection: the source connection.
            form_params: the form's `access_token_request_data`.
            seconds: the form's `default_token_expiration`.
            key: the private key of the connection.

        Raises:
            ConfigError: an option is not valid, or the form and the connection disagree.
        """
        extra, where = connection.extra, f"connection `{connection.conn_id}`"
        params = _mapping(extra, "token_params", where=where)
        for name in form_params.keys() & params.keys():
            if form_params[name] != params[name]:
                raise ConfigError(
                    f"`{name}` in `access_token_request_data` of the form and in `token_params` of {where} "
                    "have different values. Nothing was requested. Remove one of them."
                )
        params = {**form_params, **params}
        grant = str(params.pop("grant_type", extra.get("grant_type") or cls.grant_type) or "")
        body = str(extra.get("token_body") or cls.body)
        if body not in TOKEN_BODIES:
            raise ConfigError(f"`token_body` of {where} is {body!r}; valid: {', '.join(TOKEN_BODIES)}.")
        key_id = {"kid": key.key_id} if key.key_id else {}
        prefix = extra.get("token_prefix")
        return cls(
            grant_type=_GRANTS.get(grant, grant),
            params=params,
            body=body,
            credential_fields=_names(extra, where=where) or cls.credential_fields,
            path=str(extra.get("token_path") or cls.path),
            prefix=cls.prefix if prefix in (None, "") else str(prefix).strip(),
            seconds=seconds,
            refresh_token=str(extra.get("refresh_token") or ""),
            subject=str(extra.get("subject") or ""),
            algorithm=str(extra.get("jwt_algorithm") or ""),
            jwt_headers={**key_id, **_mapping(extra, "jwt_headers", where=where)},
            jwt_claims=_mapping(extra, "jwt_claims", where=where),
            passphrase=str(extra.get("private_key_passphrase") or ""),
        )


def _mapping(extra: Mapping[str, Any], name: str, *, where: str) -> dict[str, Any]:
    """Reads an object of the extra; a text holds it as JSON."""
    given = extra.get(name)
    if given in (None, ""):
        return {}
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, Mapping):
        # Raised outside of the `except`: the parser's exception holds the text, which may be a secret.
        raise ConfigError(f"`{name}` of {where} must be a JSON object, such as {{}}. Nothing was requested.")
    return dict(given)


def _names(extra: Mapping[str, Any], *, where: str) -> tuple[str, str] | None:
    given = extra.get("credential_fields")
    if given in (None, ""):
        return None
    names = re.split(r"[\s,]+", given.strip()) if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or len(names) != 2 or not all(isinstance(n, str) for n in names):
        raise ConfigError(
            f"`credential_fields` of {where} must be two names, such as `username, password`. Nothing was "
            "requested."
        )
    return names[0], names[1]
