"""Probes one list and writes the form that would read it."""

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from requests import Request

from directory_sync.api.client import DirectoryClient
from directory_sync.api.shape import shape_in_words
from directory_sync.config.access import ApiSettings
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages
from directory_sync.config.sign_in import API_KEY
from directory_sync.config.urls import origin
from directory_sync.errors import ApiError, ConfigError, EnvelopeError
from directory_sync.probe.paging import MAX_REQUESTS, NUMBERS, OFFSETS, Pager, Paging, secret_params
from directory_sync.probe.seen import Seen, seen_in

_PLACES = {name for pair in OFFSETS for name in pair[:1]} | set(NUMBERS)


def probe(url: str, api: ApiSettings, *, mask: Callable[[str], None] = lambda _: None) -> str:
    """Returns the form for a list and what is unsure about it, without any value of an entry.

    Args:
        url: the URL of the list, with the query that it needs.
        api: the connection; its base URL has the origin of the list.
        mask: registers a secret with the log masker.

    Raises:
        ConfigError: the connection is to another host.
        EnvelopeError: the answer holds no list.
        DirectorySyncError: the API does not answer, or refuses us.
    """
    if origin(url) != origin(api.base_url):
        raise ConfigError(
            f"The connection `{api.conn_id}` is to another host than the URL, and its credentials go nowhere "
            "else. Nothing was requested. Name another connection by --connection, or correct its host."
        )
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True)
    # What pages is found anew, so it is not sent along.
    params = {name: value for name, value in given if name not in _PLACES}
    path = _path(parts._replace(query="", fragment="").geturl(), api)
    resource = Resource(
        name="probed", path=path, selector=(), pages=LinkedPages(type="single_page"), params=params
    )
    client = DirectoryClient(replace(api, test_path=""), resource, mask=mask)
    try:
        answer = client.raw()
        first = seen_in(answer)
        if first is None or not first.entries:
            words = shape_in_words(answer.content, answer.headers)
            raise EnvelopeError(f"{client.path} answered, but not with a list that has entries. {words}")
        key = next(iter(first.keys), None)
        found = Pager(_asks(client), first, key, url=url).find()
    finally:
        client.close()
    return _written(path, api, first, key=key, found=found, params=params, hidden=secret_params(url))


def _asks(client: DirectoryClient) -> Callable[..., Seen | None]:
    """Returns the function that asks for further pages, a bounded number of times."""

    def ask(params: Mapping[str, Any] | None = None, *, url: str = "") -> Seen | None:
        if client.requests >= MAX_REQUESTS:
            return None
        request = client.list_request(params)
        if url:
            request = Request("GET", url, headers=request.headers)
        try:
            response = client.answer_to(request)
        except ApiError:
            return None
        return seen_in(response) if response.status_code in (200, 206) else None

    return ask


def _path(url: str, api: ApiSettings) -> str:
    """Returns a URL as a path on the base URL; as it is, if it does not lie below that."""
    base = api.base_url.rstrip("/")
    return url.removeprefix(base) if url.startswith(f"{base}/") else url


def _written(
    path: str,
    api: ApiSettings,
    first: Seen,
    *,
    key: str | None,
    found: Paging,
    params: Mapping[str, Any],
    hidden: set[str],
) -> str:
    pages = found.paginator or {}
    own = (
        {str(pages.get(f"{name}_param", name)) for name in ("offset", "limit")} if "limit" in pages else set()
    )
    shown = {name: value for name, value in {**params, **found.params}.items() if name not in own | hidden}
    endpoint = {
        "path": path,
        "data_selector": first.selector,
        **({"params": shown} if shown else {}),
        **({"paginator": pages} if pages else {}),
    }
    resource = {"name": _name(path), **({"primary_key": key} if key else {}), "endpoint": endpoint}
    form = {"client": {"base_url": api.base_url, "auth": _auth(api)}, "resources": [resource]}
    says, unsure = _key_and_order(first, found, key)
    says = [f"Signed in by `{api.auth_type}`.", *found.says, *says]
    unsure = [*found.unsure, *unsure]
    unsure += [
        f"The parameter `{name}` seems to be a secret and is left out. A key belongs into the connection: "
        f'"auth_type": "{API_KEY}", "key_location": "query", "key_name": "{name}".'
        for name in sorted(hidden)
    ]
    lines = [json.dumps(form, indent=4), "", "Seen:", *(f"- {line}" for line in says)]
    lines += ["", "Not sure:", *(f"- {line}" for line in unsure)] if unsure else []
    lines += [
        "",
        (
            "Paste it into a Dag file (README.md, Connect your own API), then look before you publish: "
            """airflow dags test DAG -c '{"mode": "dry_run"}'"""
        ),
    ]
    return "\n".join(lines)


def _auth(api: ApiSettings) -> dict[str, str]:
    place = {"name": api.key.name, "location": api.key.location, "prefix": api.key.prefix}
    return {
        "type": api.auth_type,
        **({k: v for k, v in place.items() if v} if api.auth_type == API_KEY else {}),
    }


def _key_and_order(first: Seen, found: Paging, key: str | None) -> tuple[list[str], list[str]]:
    """Returns what was seen of the key and of the order, and what is unsure about them."""
    if key is None:
        return [], [
            (
                "No field looks like a key: none is there and different in every entry of the first page. "
                "Name the field, or several, as `primary_key`."
            )
        ]
    says, unsure = [f"`{key}` is there and different in all {len(first.entries):,} entries of a page."], []
    if others := [f"`{name}`" for name in first.keys[1:4]]:
        unsure.append(f"These may be the key as well: {', '.join(others)}. The key must never change.")
    ids = [json.loads(one) for one in first.ids(key)]
    if found.paginator and found.paginator["type"] not in ("offset", "page_number"):
        unsure.append(
            "Cursors and links do not prove who left: each removal waits for a person. In the resource, set "
            '`detail_path`, the path of one entry, or "removals": "confirmed".'
        )
    elif all(a < b for a, b in itertools.pairwise(ids)):
        says.append(f"Entries come in the order of `{key}`, so absent ones can be proven gone.")
    else:
        unsure.append(
            f"Entries do not come in the order of `{key}`. Look for a parameter that sorts by it, such as "
            "`sort`, and put it into `params`; without an order an absent entry is removed one sync later."
        )
    if found.second is not None and found.second.selector != first.selector:
        unsure.append("The second page has its list at another path: ask the API's vendor.")
    return says, unsure


def _name(path: str) -> str:
    """Returns the name of the resource: the last word of its path."""
    words = re.findall(r"[a-z][a-z0-9]*", urlsplit(path).path.rpartition("/")[2].lower()) or ["directory"]
    return "_".join(words)[:40].rstrip("_")
