"""Answers dlt's configuration look-ups from Airflow connections.

dlt asks its providers for a key under ever shorter sections; this one is asked last and knows a fixed set
of answers. The sign-in takes nothing from dlt: while a form is read, its `dlt.secrets["client_id"]` is
answered with a text that is no secret, at parse and in a task alike.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from directory_sync.config.sign_in import CONNECTION_FIELDS, FROM_CONNECTION

PROVIDER_NAME = "Airflow connections"
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


@contextmanager
def form_secrets() -> Iterator[None]:
    """Answers a form's `dlt.secrets` with FROM_CONNECTION until the block ends.

    It is asked first, so that no variable or file of the same name comes into the form; it goes with the
    block, so that nothing else in the process is answered by it.
    """
    providers = Container()[PluggableRunContext].providers.providers
    provider = ConnectionsProvider(dict.fromkeys(CONNECTION_FIELDS, lambda: FROM_CONNECTION))
    providers.insert(0, provider)
    try:
        yield
    finally:
        providers.remove(provider)
