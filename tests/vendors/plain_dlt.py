"""Plain dlt on the same server: the example's form, less the keys that dlt does not know."""

from collections.abc import Mapping
from typing import Any

from dlt.sources.rest_api import rest_api_source

OURS = {
    "order",
    "sort_field",
    "total",
    "ignored_fields",
    "detail_path",
    "removals",
    "label_field",
    "empty",
    "total_header",
    "cursor_value",
    "resend_params",
}


def entries(form: Mapping[str, Any], url: str, *, authorization: str) -> dict[str, list[dict[str, Any]]]:
    """What plain dlt finds, by resource.

    Args:
        form: the example's form.
        url: the base URL.
        authorization: the header of a request that is signed in. dlt lacks some of the sign-ins.
    """
    client = {key: value for key, value in form["client"].items() if key != "auth"}
    client |= {"base_url": url, "headers": {**client.get("headers", {}), "Authorization": authorization}}
    config = {
        **form,
        "client": _known(client),
        "resource_defaults": _known(form.get("resource_defaults", {})),
        "resources": [_known(one) for one in form["resources"]],
    }
    source = rest_api_source(config)
    return {name: list(source.with_resources(name)) for name in source.resources}


def _known(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a form without our keys, at any depth."""
    kept = {key: value for key, value in part.items() if key not in OURS}
    if "next_url_path" in kept or kept.get("type") in ("cursor", "header_link", "header_cursor"):
        kept.pop("total_path", None)
    return {key: _known(value) if isinstance(value, Mapping) else value for key, value in kept.items()}
