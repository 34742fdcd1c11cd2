"""The Airflow plugin: the page "Directory", the note on each run, and the connection type.

Airflow looks for providers before the plugins folder is on its path, so the plugin adds this one.
"""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from directory_sync import ui
from directory_sync.airflow import empty_port, notes
from directory_sync.airflow.provider import PACKAGE_NAME, VERSION, get_provider_info


class DirectorySyncPlugin(AirflowPlugin):
    """Registers the page and the notes for the UI, and the connection type for the UI and for tasks."""

    name = "directory_sync"
    listeners = [notes]  # noqa: RUF012  Airflow's own form

    # Properties, because every process loads the plugin, but only the API server reads them.
    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The application that serves the files of the page Directory."""
        empty_port.mend()
        return ui.fastapi_apps()

    @cached_property
    def react_apps(self) -> list[Any]:  # type: ignore[override]
        """The page Directory; empty where its files cannot be served."""
        return ui.react_apps() if self.fastapi_apps else []

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        """Adds the provider to both registries of Airflow, unless pip has installed it."""
        from airflow.providers_manager import ProviderInfo, ProvidersManager
        from airflow.sdk._shared.providers_discovery import ProviderInfo as TaskProviderInfo
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

        registries: tuple[tuple[Any, Any], ...] = (
            (ProvidersManager, ProviderInfo),
            (ProvidersManagerTaskRuntime, TaskProviderInfo),
        )
        for registry, info in registries:
            manager = registry()
            manager.initialize_providers_list()
            manager._provider_dict.setdefault(PACKAGE_NAME, info(VERSION, get_provider_info()))  # noqa: SLF001
