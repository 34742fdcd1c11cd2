"""A service account's key as Airflow's Google connections hold it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from directory_sync.errors import ConfigError


def service_account(
    extra: Mapping[str, Any], *, refusal: Callable[[str], ConfigError]
) -> dict[str, Any] | None:
    """Returns the key from `key_path` or `keyfile_dict`; None: the extra has neither.

    Args:
        extra: the extra of a connection of the type google_cloud_platform.
        refusal: makes the error from a text that says what is wrong with the connection.

    Raises:
        ConfigError: it is not a service account's key, it cannot be read, or both fields are given.
    """
    path, content = extra.get("key_path"), extra.get("keyfile_dict")
    if path and content:
        raise refusal("has both `key_path` and `keyfile_dict`, which exclude each other")
    if not (path or content):
        return None
    reason = ""
    try:
        text: Any = Path(path).read_text("utf-8") if path else content
        key: dict[str, Any] = json.loads(text) if isinstance(text, str) else dict(text)
        if key["type"] == "service_account" and key["private_key"] and key["client_email"]:
            return key
    except (OSError, ValueError, TypeError, KeyError) as e:
        reason = f" ({type(e).__name__})"
    raise refusal(
        f"has a `{'key_path' if path else 'keyfile_dict'}` that holds no service account's key{reason}"
    )
