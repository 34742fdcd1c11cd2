"""The section [directory_sync] of Airflow's configuration: another place for the switches.

`directory_sync.dag` makes `SyncSettings` read it, so every Dag of ours does, at parse and in its tasks. The
plugin does for the API server, which imports no Dag file.
"""

import os
from collections.abc import Mapping
from dataclasses import fields

from airflow.configuration import conf

from directory_sync.config.given import SECTION
from directory_sync.config.settings import SyncSettings

_PREFIX = f"AIRFLOW__{SECTION.upper()}__"


def options() -> Mapping[str, str]:
    """Returns the options that are set, by their names; unknown names too."""
    known = {field.name for field in fields(SyncSettings)}
    section = conf.getsection(SECTION) or {}
    named = {
        *(name.removeprefix(_PREFIX).lower() for name in os.environ if name.startswith(_PREFIX)),
        *(str(name).lower() for name in section),
    }
    found = {name: conf.get(SECTION, name, fallback=None) for name in named & known}
    return dict.fromkeys(named - known, "") | {n: text for n, text in found.items() if text is not None}
