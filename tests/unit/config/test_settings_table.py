"""The table of settings in the README, and what the docstrings say, are those of the classes."""

import re
from dataclasses import MISSING, fields
from inspect import getdoc

import pytest

from directory_sync.airflow.provider import get_provider_info
from directory_sync.config.access import API_EXTRA, ApiSettings
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.settings import SyncSettings
from tests.conftest import CHECKOUT

README = (CHECKOUT / "README.md").read_text()
ROWS = [
    [cell.strip() for cell in line.split("|")[1:3]]
    for line in README.split("\n## Settings\n")[1].split("\n## ")[0].splitlines()
    if re.match(r"\| `[A-Z]", line) and "DIRECTORY_SYNC_" not in line
]
"""The first two cells of each row: names of settings, and their defaults."""


def table() -> dict[str, str]:
    """The default of each setting, as the README has it: what stands before the colon, one for each name."""
    found = {}
    for names, defaults in ROWS:
        listed, several = names.split(","), defaults.split(",")
        of_each = several if len(several) == len(listed) else several * len(listed)
        for name, default in zip(listed, of_each, strict=True):
            found[name.strip("` ")] = default.partition(":")[0].strip("` ")
    return found


def shown(value: object) -> str:
    """A default as the table shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | int):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def test_the_readme_lists_each_setting_and_no_other():
    assert sorted(table()) == sorted(item.name.upper() for item in fields(SyncSettings))


def test_the_readme_says_each_default():
    defaults = {item.name.upper(): item.default for item in fields(SyncSettings)}
    assert defaults.pop("HOME") is MISSING
    assert {name: table()[name] for name in defaults} == {n: shown(value) for n, value in defaults.items()}


@pytest.mark.parametrize("settings", [SyncSettings, ApiSettings])
def test_the_docstring_says_what_each_setting_means(settings):
    said = re.findall(r"^    (\w+): ", getdoc(settings).split("Attributes:\n")[1], re.MULTILINE)
    assert said == [item.name for item in fields(settings)]


def test_the_removal_limits_are_settings_with_the_same_defaults():
    limits = {item.name: item.default for item in fields(RemovalLimits)}
    assert {item.name: item.default for item in fields(SyncSettings) if item.name in limits} == limits


def test_each_key_of_the_connections_extra_is_a_field_of_its_form_and_is_documented():
    [kind] = get_provider_info()["connection-types"]
    assert set(kind["conn-fields"]) == API_EXTRA
    said = README + (CHECKOUT / "docs" / "sign-in.md").read_text()
    assert [name for name in API_EXTRA if not re.search(f'`{name}`|"{name}"', said)] == []
