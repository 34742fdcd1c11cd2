"""Writes the request for an OAuth2 token: the grant, and who the client is (RFC 6749, RFC 7523, RFC 8705)."""

import base64
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from requests import PreparedRequest, Request

from directory_sync.config.access import ApiSettings
from directory_sync.config.masking import query_secrets, url_secrets
from directory_sync.config.token_options import (
    JWT_BEARER,
    PRIVATE_KEY_JWT,
    REFRESH_TOKEN,
    SECRET_BASIC,
    SECRET_JWT,
    SECRET_POST,
)

if TYPE_CHECKING:
    from directory_sync.api.assertion import Assertions

CLIENT_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenRequests:
    """Writes token requests. Every secret in them is registered with the log masker first.

    Args:
        api: the token URL, the credentials, and what the request holds.
        mask: registers a text with the log masker.
    """

    def __init__(self, api: ApiSettings, *, mask: Callable[[str], None]) -> None:
        """Registers the secrets of the connection with the log masker."""
        self._api, self._mask = api, mask
        mask(api.client_secret)
        for secret in (*url_secrets(api.absolute_token_url), *query_secrets(api.tokens.params.items())):
            mask(secret)

    def request(self, refresh_token: str = "") -> Request:
        """Returns a token request. Each time it is prepared it gets a new assertion, which is used once.

        Args:
            refresh_token: the token of the grant `refresh_token`; empty: of another grant.

        Raises:
            ConfigError: the private key cannot be used.
        """
        headers = {"Accept": "application/json"}
        if self._api.auth_method == SECRET_BASIC:
            # RFC 6749, 2.3.1: both are form-encoded before they are joined.
            pair = f"{quote_plus(self._api.client_id)}:{quote_plus(self._api.client_secret)}"
            basic = base64.b64encode(pair.encode()).decode()
            self._mask(basic)
            headers["Authorization"] = f"Basic {basic}"
        if self._signs:
            # A key that cannot be used is told before anything is sent.
            self._fields(refresh_token)

        def write(prepared: PreparedRequest) -> PreparedRequest:
            fields = self._fields(refresh_token)
            if self._api.tokens.body == "json":
                prepared.prepare_body(None, None, json=fields)
            else:
                prepared.prepare_body({name: _as_text(value) for name, value in fields.items()}, None)
            return prepared

        return Request("POST", self._api.absolute_token_url, headers=headers, auth=write)

    @property
    def _signs(self) -> bool:
        return self._api.signs_with_private_key or self._api.auth_method == SECRET_JWT

    @cached_property
    def _assertions(self) -> "Assertions":
        # Imported here: PyJWT and its cryptography are needed for few connections.
        from directory_sync.api.assertion import Assertions

        return Assertions(self._api, mask=self._mask)

    def _fields(self, refresh_token: str) -> dict[str, Any]:
        api, fields = self._api, dict[str, Any]()
        if api.tokens.grant_type:
            fields["grant_type"] = api.tokens.grant_type
        if api.scope:
            fields["scope"] = api.scope
        if api.tokens.grant_type == REFRESH_TOKEN:
            self._mask(quote_plus(refresh_token))
            fields["refresh_token"] = refresh_token
        if api.tokens.grant_type == JWT_BEARER:
            fields["assertion"] = self._assertions.of_grant()
        fields |= self._client()
        return {name: value for name, value in {**fields, **api.tokens.params}.items() if value is not None}

    def _client(self) -> Mapping[str, Any]:
        """Returns the fields that say who the client is."""
        api = self._api
        name, secret = api.tokens.credential_fields
        if api.auth_method == SECRET_BASIC:
            return {}
        if api.auth_method == SECRET_POST:
            self._mask(quote_plus(api.client_secret))
            self._mask(json.dumps(api.client_secret)[1:-1])
            return {name: api.client_id, secret: api.client_secret}
        if api.auth_method in (PRIVATE_KEY_JWT, SECRET_JWT):
            return {
                name: api.client_id,
                "client_assertion_type": CLIENT_ASSERTION_TYPE,
                "client_assertion": self._assertions.of_client(),
            }
        return {} if api.tokens.grant_type == JWT_BEARER else {name: api.client_id}


def _as_text(value: Any) -> Any:
    """Returns a value as a form has it; requests would write `True`, and an object's keys."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, Mapping) else value
