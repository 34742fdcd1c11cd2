"""The Airflow plugin: the page "Directory", the note on each run, the connection type, and fewer shards.

A wheel brings it by its entry point; in a folder deployment `plugins/directory_sync_plugin.py` hands it over.
"""

import logging
from collections.abc import Mapping
from functools import cached_property, wraps
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from directory_sync import about, ui
from directory_sync.airflow import compat, empty_port, idle, landed, notes
from directory_sync.airflow.preload import preload
from directory_sync.airflow.provider import PACKAGE_NAME, get_provider_info
from directory_sync.config.given import also_read

logger = logging.getLogger(__name__)


def _options() -> Mapping[str, str]:
    # Imported when it is asked: every process of Airflow loads the plugin.
    from directory_sync.airflow.options import options

    return options()


# The API server imports no Dag file, and reads the landing zone.
also_read(_options)


class DirectorySyncPlugin(AirflowPlugin):
    """Registers the page and the notes for the UI, the connection type, and what skips idle shards."""

    name = "directory_sync"
    listeners = [idle, notes]  # noqa: RUF012  Airflow's own form

    # Properties, because every process loads the plugin, but only the API server reads them.
    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The application that serves the files of the page Directory."""
        if not compat.HAS_PAGES:
            logger.warning('There is no page "Directory": plugins have pages from Airflow 3.1 on.')
            return []
        empty_port.mend()
        return ui.fastapi_apps(compat.absent, landed.who)

    @cached_property
    def react_apps(self) -> list[Any]:  # type: ignore[override]
        """The page Directory; empty where its files cannot be served."""
        return ui.react_apps() if self.fastapi_apps else []

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        """Adds the provider to the registries of Airflow, unless pip has installed it, and preloads.

        Airflow looks for providers before the plugins folder is on its path.
        """
        if about.origin() == "folder":
            _add_provider()
        preload()


def _add_provider() -> None:
    from airflow.providers_manager import ProviderInfo, ProvidersManager

    registries: list[tuple[Any, Any]] = [(ProvidersManager, ProviderInfo)]
    try:
        from airflow.sdk._shared.providers_discovery import ProviderInfo as TaskProviderInfo
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
    except ImportError:
        # Before Airflow 3.2 tasks read the first one.
        pass
    else:
        registries.append((ProvidersManagerTaskRuntime, TaskProviderInfo))
    for registry, info in registries:
        _add_to(registry, info(about.VERSION, get_provider_info()))
        registry().initialize_providers_list()


def _add_to(registry: Any, info: Any) -> None:
    """Adds the provider to each instance of a registry: Airflow 3.2 makes a further one for the forms."""
    find = registry.initialize_providers_list

    @wraps(find)
    def find_and_add(self: Any) -> None:
        find(self)
        self._provider_dict.setdefault(PACKAGE_NAME, info)

    registry.initialize_providers_list = find_and_add
