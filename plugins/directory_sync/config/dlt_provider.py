"""Answers dlt's configuration look-ups from Airflow connections.

dlt asks its providers for a key under ever shorter sections; this one is asked last and knows a fixed set
of answers. At parse time it knows none of the secrets: it answers with a placeholder, so that the
configuration in `resources.py` can be read without a connection.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

PROVIDER_NAME = "Airflow connections"
UNRESOLVED = "resolved-in-the-task"
Answers = Mapping[str, Callable[[], Any]]
"""What is answered: `key` or `section.key` -> the value, fetched when it is asked for."""


class ConnectionsProvider(ConfigProvider):
    """A dlt config provider over a mapping of answers."""

    def __init__(self, answers: Answers) -> None:
        """Fetches nothing yet."""
        self._answers = answers

    def get_value(
        self,
        key: str,
        hint: type[Any],  # noqa: ARG002  dlt's signature
        pipeline_name: str | None,  # noqa: ARG002
        *sections: str,
    ) -> tuple[Any | None, str]:
        """Answers `section.key` for the innermost section asked for, or the bare key without one."""
        full = ".".join((*sections[-1:], key))
        answer = self._answers.get(full)
        return (answer() if answer else None), full

    @property
    def supports_secrets(self) -> bool:
        """Secrets are what it is for."""
        return True

    @property
    def supports_sections(self) -> bool:
        """The same key means other things in other sections."""
        return True

    @property
    def name(self) -> str:
        """Its name in dlt's messages."""
        return PROVIDER_NAME


def quiet_dlt() -> None:
    """Turns off dlt's Airflow Variable provider, its telemetry and its log.

    The provider alone costs hundreds of look-ups a task. Must be called before dlt's first
    use of its configuration; a setting of the environment stands. dlt logs the warehouse's messages, which
    quote values of entries; what it raises reaches us anyway.
    """
    os.environ.setdefault("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "false")
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")


def register(answers: Answers) -> None:
    """Makes dlt ask us last; replaces an earlier registration in the same process."""
    Container()[PluggableRunContext].providers[PROVIDER_NAME] = ConnectionsProvider(answers)


def register_placeholders(*keys: str) -> None:
    """Answers these keys with a placeholder: enough to parse the form of `resources.py`."""
    register({key: lambda: UNRESOLVED for key in keys})
