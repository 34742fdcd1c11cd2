"""Describes the connection type `directory_api` to Airflow: its name, its form, its hook.

The plugin (`plugins/directory_sync_plugin.py`) reads it, and Airflow itself where this package is installed
with pip. It imports nothing, because a fault here would break every `airflow` command.
"""

from typing import Any

PACKAGE_NAME = "directory-sync"
VERSION = "0.1.0"
CONNECTION_TYPE = "directory_api"
_AUTH_METHODS = {
    "client_secret_post": "In the form (client_secret_post)",
    "client_secret_basic": "In the header (client_secret_basic)",
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
                    "relabeling": {"host": "Base URL", "login": "Client ID", "password": "Client secret"},
                    "placeholders": {
                        "host": "https://directory.example.org",
                        "login": "as the API's owner gave it",
                        "password": "as the API's owner gave it; never shown again",
                    },
                },
                "conn-fields": _fields(),
            }
        ],
    }


def _fields() -> dict[str, Any]:
    def text(label: str, description: str) -> dict[str, Any]:
        return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}

    def number(label: str, description: str) -> dict[str, Any]:
        schema = {"type": ["number", "null"], "exclusiveMinimum": 0}
        return {"label": label, "description": description, "schema": schema}

    return {
        "token_url": text("Token URL", "Absolute, or a path on the base URL. Empty: /oauth/token"),
        "scope": text("Scope", "The scope to request for the token, if the API needs one."),
        "auth_method": {
            "label": "Auth method",
            "description": "How the client's id and secret are sent to the token URL.",
            "schema": {
                "type": "string",
                "enum": list(_AUTH_METHODS),
                "values_display": _AUTH_METHODS,
                "default": "client_secret_post",
            },
        },
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
