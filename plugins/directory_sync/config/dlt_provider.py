"""Answers dlt's configuration look-ups from Airflow connections.

dlt asks its providers for a key under ever shorter sections. Our provider is the last one of dlt's chain and
has a fixed set of answers. The sign-in takes no secret from dlt: while a form is read, at parse or in a task,
a provider answers `dlt.secrets["client_id"]` with a placeholder.
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
"""Keys, as `key` or `section.key`, and for each a function that fetches the value when dlt asks for it."""


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
        """Returns dlt's pair for a key: the value or None, and the key under which it was looked up.

        Args:
            key: the last part of the key.
            hint: the type that dlt expects; not used.
            pipeline_name: not used.
            sections: the sections, outermost first. Only the innermost one is part of the look-up.
        """
        full = ".".join((*sections[-1:], key))
        answer = self._answers.get(full)
        return (answer() if answer else None), full

    @property
    def supports_secrets(self) -> bool:
        """True: the provider also answers with secrets."""
        return True

    @property
    def supports_sections(self) -> bool:
        """True: a key may have another value in another section."""
        return True

    @property
    def name(self) -> str:
        """The provider's name in dlt's messages."""
        return PROVIDER_NAME


def quiet_dlt() -> None:
    """Turns off dlt's Airflow Variable provider, its telemetry and its log.

    The Variable provider causes hundreds of look-ups per task. dlt's log contains messages of the warehouse,
    which quote values of entries; dlt's exceptions still reach us. Must be called before dlt first reads its
    configuration. A variable that the environment sets keeps its value.
    """
    os.environ.setdefault("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "false")
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")


def register(answers: Answers) -> None:
    """Appends our provider to dlt's chain; replaces an earlier registration in the same process."""
    Container()[PluggableRunContext].providers[PROVIDER_NAME] = ConnectionsProvider(answers)


@contextmanager
def form_secrets() -> Iterator[None]:
    """Answers a form's `dlt.secrets` with FROM_CONNECTION until the block ends.

    The provider is the first of dlt's chain, so that no variable or file of the same name gets into the form.
    It is removed at the end of the block, so that it answers no other look-up of the process.
    """
    providers = Container()[PluggableRunContext].providers.providers
    provider = ConnectionsProvider(dict.fromkeys(CONNECTION_FIELDS, lambda: FROM_CONNECTION))
    providers.insert(0, provider)
    try:
        yield
    finally:
        providers.remove(provider)
