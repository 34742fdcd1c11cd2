"""`probe` on the servers of the vendors: by an example's connection, it writes a form that reads the list."""

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from directory_sync.api.client import DirectoryClient
from directory_sync.config.access import ApiSettings
from directory_sync.config.directory import Directory
from directory_sync.config.form import parse_form
from directory_sync.extract.plan import Shard
from directory_sync.extract.stage import read_with
from directory_sync.probe.probe import probe
from tests.vendors.bamboohr import BambooHR
from tests.vendors.entra import Entra
from tests.vendors.github import GitHub
from tests.vendors.keycloak import Keycloak
from tests.vendors.nights import deploy
from tests.vendors.okta import Okta
from tests.vendors.scim import CAP, TOKEN, ScimServer
from tests.vendors.vendor import Vendor

SECRET, CLIENT = "probed-secret-not-a-real-one", ("probed-client", "probed-secret-not-a-real-one")
PROBED: Mapping[str, tuple[Vendor, tuple[str, str], dict[str, str], str, str]] = {
    "Okta": (Okta(token=SECRET), ("okta", "okta"), {"password": SECRET}, "/users", "header_link"),
    "Entra ID": (
        Entra(client=CLIENT),
        ("entra", "entra"),
        {"login": CLIENT[0], "password": SECRET},
        "/users",
        "json_link",
    ),
    "Keycloak": (
        Keycloak(client=CLIENT),
        ("keycloak", "keycloak"),
        {"login": CLIENT[0], "password": SECRET},
        "/users",
        "offset",
    ),
    "GitHub": (
        GitHub(token=SECRET),
        ("github_organisation", "github"),
        {"password": SECRET},
        "/members",
        "page_number",
    ),
    "BambooHR": (
        BambooHR(key=SECRET),
        ("bamboohr", "bamboohr"),
        {"login": SECRET, "password": "x"},
        "/employees",
        "cursor",
    ),
}


def probed(api: ApiSettings, url: str) -> tuple[str, dict[str, Any], list[Mapping[str, Any]]]:
    """What the probe says, the form in it, and the entries that the form reads."""
    told = probe(url, api)
    form = json.loads(told[: told.index("\n}") + 2])
    (resource,) = parse_form(form)
    with closing(DirectoryClient(api, resource, sleep=lambda _: None)) as client:
        pages = list(read_with(client, Shard(number=0, count=1), requests_in_flight=1))
    entries = {entry.id: json.loads(entry.record) for page in pages for entry in page.entries}
    return told, form["resources"][0], list(entries.values())


@pytest.mark.parametrize("vendor", PROBED)
def test_the_form_that_it_writes_reads_the_list_of_a_vendor(vendor: str, tmp_path: Path) -> None:
    server, (name, function), credentials, path, kind = PROBED[vendor]
    with server:
        deployment = deploy(name, function, server.url, tmp_path, **credentials)
        client = Directory(form=deployment.form).read_form()["client"]
        api = ApiSettings.from_connection(deployment.source, client=client)
        told, resource, entries = probed(api, api.url(path))
    assert resource["endpoint"]["paginator"]["type"] == kind
    key = resource["primary_key"]
    assert {one[key] for one in entries} == {one[key] for one in server.users}  # type: ignore[attr-defined]
    assert SECRET not in told
    texts = {text for one in entries for text in one.values() if isinstance(text, str) and len(text) > 8}
    assert [text for text in texts if text in told] == []


def test_the_form_that_it_writes_reads_a_scim_service(tmp_path: Path) -> None:
    with ScimServer() as scim:
        machines = {scim.add_machine(f"press-{number}") for number in range(1, 2 * CAP + 6)}
        deployment = deploy("scim", "scim", scim.url, tmp_path, password=TOKEN)
        client = Directory(form=deployment.form).read_form()["client"]
        api = ApiSettings.from_connection(deployment.source, client=client)
        told, resource, entries = probed(api, api.url("/Users"))
    assert resource["endpoint"]["data_selector"] == "Resources"
    assert {one["id"] for one in entries} == machines
    assert not any(one in told for one in machines)
