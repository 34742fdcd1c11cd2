"""Describes the connection type `directory_api` to Airflow: its name, its form, its hook.

The plugin (`plugin.py`) reads it, and Airflow itself where this package is installed with pip. It imports
only `about`, because a fault here would break every `airflow` command.
"""

from typing import Any

from directory_sync.about import DISTRIBUTION

PACKAGE_NAME = DISTRIBUTION
CONNECTION_TYPE = "directory_api"
_SIGN_INS = {
    "oauth2_client_credentials": "OAuth2: tokens for a client id and its secret or key",
    "bearer": "Token: sent as it is (bearer)",
    "api_key": "API key: in a header, the query or a cookie",
    "http_basic": "User and password (HTTP basic)",
    "none": "None",
}
_AUTH_METHODS = {
    "client_secret_post": "In the body (client_secret_post)",
    "client_secret_basic": "In the header (client_secret_basic)",
    "private_key_jwt": "Signed by a private key (private_key_jwt)",
    "client_secret_jwt": "Signed by the secret (client_secret_jwt)",
    "tls_client_auth": "By the client certificate (tls_client_auth)",
    "none": "Client id alone (none)",
}


def get_provider_info() -> dict[str, Any]:
    """Returns the provider's description in the form that Airflow's entry point requires."""
    return {
        "package-name": PACKAGE_NAME,
        "name": "Directory sync",
        "description": "A third-party directory API, complete and current in the warehouse.",
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-name": "Directory API",
                "hook-class-name": "directory_sync.airflow.hook.DirectoryApiHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["port", "schema", "description"],
                    "relabeling": {
                        "host": "Base URL",
                        "login": "Client ID or user",
                        "password": "Client secret, token, key or password",
                    },
                    "placeholders": {
                        "host": "https://directory.example.org",
                        "login": "empty for a token or an API key",
                        "password": "as the API's owner gave it; never shown again",
                    },
                },
                "conn-fields": _fields(),
            }
        ],
        "asset-uris": [
            {
                "schemes": ["directory-api", "directory-table"],
                "handler": None,
                "to_openlineage_converter": "directory_sync.airflow.lineage.to_openlineage",
            }
        ],
    }


def _fields() -> dict[str, Any]:
    def text(label: str, description: str) -> dict[str, Any]:
        return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}

    def number(label: str, description: str) -> dict[str, Any]:
        schema = {"type": ["number", "null"], "exclusiveMinimum": 0}
        return {"label": label, "description": description, "schema": schema}

    def choice(label: str, description: str, values: dict[str, str]) -> dict[str, Any]:
        schema = {"type": ["string", "null"], "enum": list(values), "values_display": values}
        return {"label": label, "description": description, "schema": schema}

    def mapping(label: str, description: str) -> dict[str, Any]:
        return {"label": label, "description": description, "schema": {"type": ["object", "null"]}}

    return {
        "auth_type": choice(
            "Sign-in", "Empty: as the form in the Dag file says; OAuth2 where it says nothing.", _SIGN_INS
        ),
        "key_name": text("API key: name", "Of the header, parameter or cookie. Empty: Authorization"),
        "key_location": choice(
            "API key: place",
            "Where requests have it. Empty: in a header.",
            {"header": "Header", "query": "Query", "cookie": "Cookie"},
        ),
        "key_prefix": text("API key: prefix", "The text before the key, such as SSWS."),
        "token_url": text("Token URL", "OAuth2. Absolute, or a path on the base URL. Empty: /oauth/token"),
        "scope": text("Scope", "OAuth2. The scope to request for the token, if the API needs one."),
        "auth_method": choice(
            "Auth method",
            "OAuth2. How the client says who it is at the token URL. Empty: in the body. With a private key "
            "the field for the client secret holds the key (PEM, JWK or a service account's JSON).",
            _AUTH_METHODS,
        ),
        "grant_type": text(
            "Grant type",
            "OAuth2. Empty: client_credentials. Also refresh_token, jwt-bearer, or what the API names.",
        ),
        "subject": text("Subject", "OAuth2, jwt-bearer. On whose behalf the token is requested."),
        "refresh_token": {
            "label": "Refresh token",
            "description": "OAuth2, refresh_token.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "token_params": mapping(
            "Token parameters",
            'OAuth2. Further parameters of a token request, such as {"audience": "https://api.example.org"}',
        ),
        "token_body": choice(
            "Token body",
            "OAuth2. How a token request has its parameters. Empty: as a form.",
            {"form": "Form", "json": "JSON"},
        ),
        "credential_fields": text(
            "Credential fields",
            "OAuth2. Two names under which a token request has them. Empty: client_id, client_secret",
        ),
        "token_path": text(
            "Token path", "OAuth2. The JSONPath of the token in the answer. Empty: access_token"
        ),
        "token_prefix": text("Token prefix", "OAuth2. The word before the token. Empty: Bearer"),
        "jwt_algorithm": text(
            "JWT algorithm",
            "OAuth2. How assertions are signed, such as PS256. Empty: as is usual for the key",
        ),
        "jwt_headers": mapping("JWT headers", 'OAuth2. Further headers of assertions, such as {"kid": "1"}'),
        "jwt_claims": mapping("JWT claims", "OAuth2. Further claims of assertions, or other values of them."),
        "private_key_passphrase": {
            "label": "Passphrase of the private key",
            "description": "OAuth2. Empty: the key is not encrypted.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "proxy": text(
            "Proxy", "Such as http://proxy.example.org:3128, or: environment. Empty: none is used."
        ),
        "client_cert": text(
            "Client certificate", "For mTLS: its path on the workers, with its chain and its key or not."
        ),
        "client_key": text("Key of the client certificate", "Its path. Empty: it is in the same file."),
        "verify": {
            "label": "Verify TLS",
            "description": "Turn off only for a test server. For your own CA, put its path into the extra.",
            "schema": {"type": "boolean", "default": True},
        },
        "timeout_seconds": number("Timeout (seconds)", "How long to wait for an answer. Empty: 30"),
        "requests_per_second": number(
            "Requests per second", "The rate that the API allows this client. Empty: it is found by adapting."
        ),
        "retry_statuses": text(
            "Retry statuses",
            "Statuses to retry besides 429, 500, 502, 503 and 504. Empty: 408, 425, 520, 522, 524, 529",
        ),
        "test_path": text(
            "Path to try",
            "The path that the Test button reads, such as /v1/directory?limit=5. Empty: it only signs in.",
        ),
    }
