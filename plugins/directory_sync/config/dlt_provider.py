"""Gives our pipelines a configuration of dlt's of their own: no other dlt Dag shares it.

dlt keeps its configuration once in a process. `own_dlt` puts another one in its place until a block ends, and
then the former one back. In ours these are asked, in this order: the landing zone's answers, which come from
Airflow connections; the environment; SETTINGS. No file (`.dlt/*.toml`) and no Variable
(`dlt_secrets_toml`) is asked: they belong to other Dags. The sign-in takes no secret from dlt: while a form
is read, at parse or in a task, a provider answers `dlt.secrets["client_id"]` with a placeholder.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from typing import Any

from dlt.common import known_env
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.doc import BaseDocProvider
from dlt.common.configuration.providers.environ import EnvironProvider
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.common.configuration.specs.base_configuration import is_secret_hint
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime import telemetry
from dlt.common.runtime.run_context import RunContext

from directory_sync.config.sign_in import CONNECTION_FIELDS, FROM_CONNECTION

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    # dlt's log contains messages of the warehouse, which quote values of entries. Its exceptions reach us.
    "runtime": {"dlthub_telemetry": False, "log_level": "CRITICAL"},
    # What dlt writes between its steps lives for seconds.
    # CSV keeps an empty text apart from NULL if each value is quoted.
    "data_writer": {"disable_compression": True, "quoting": "quote_all"},
    # A pipeline of ours runs once: after a load package there is nothing to wait for.
    "normalize": {"run_sleep": 0},
    "load": {"run_sleep": 0},
}
"""How our pipelines are run, by dlt's sections; a variable such as `LOAD__RUN_SLEEP` goes before it."""
_PROVIDERS = ("enable_airflow_secrets", "enable_google_secrets", "enable_aws_secrets")
"""What dlt would ask besides. Its Variable provider causes hundreds of look-ups in a task."""
_HELPERS = (known_env.DLT_PROJECT_DIR, known_env.DLT_DATA_DIR, known_env.DLT_LOCAL_DIR)
"""The variables that dlt's Airflow helper sets for the whole process."""
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


class _Environment(EnvironProvider):
    """dlt's provider of environment variables, which finds out only once whether a hint is that of a secret.

    dlt asks it hundreds of times in a stage.
    """

    def get_value(
        self, key: str, hint: Any, pipeline_name: str | None, *sections: str
    ) -> tuple[Any | None, str]:
        if _is_secret(hint):
            return super().get_value(key, hint, pipeline_name or "", *sections)
        name = self.get_key_name(key, pipeline_name or "", *sections)
        return os.environ.get(name), name


_known_secret = lru_cache(maxsize=None)(is_secret_hint)


def _is_secret(hint: Any) -> bool:
    try:
        hash(hint)
    except TypeError:
        # Such as an annotation with a list.
        return is_secret_hint(hint)
    return _known_secret(hint)


class _Settings(BaseDocProvider):
    """Answers from SETTINGS, and from what dlt's Airflow helper sets for one run."""

    def __init__(self) -> None:
        super().__init__(deepcopy({section: dict(values) for section, values in SETTINGS.items()}))

    @property
    def name(self) -> str:
        return "Directory sync"

    @property
    def supports_secrets(self) -> bool:
        return False

    @property
    def is_writable(self) -> bool:
        return True


class _OwnRun(RunContext):
    """dlt's run context with our providers; it has no project folder."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(tempfile.gettempdir())
        off = {f"providers.{name}": lambda: False for name in _PROVIDERS}
        self._answers: Answers = {**off, **answers}

    @property
    def run_dir(self) -> str:
        # Not what DLT_PROJECT_DIR says: a pipeline is declared and run with the same one.
        return tempfile.gettempdir()

    def initialize_runtime(self, runtime_config: RuntimeConfiguration | None = None) -> None:
        super().initialize_runtime(runtime_config or self._runtime_config)

    def initial_providers(self) -> list[ConfigProvider]:
        return [ConnectionsProvider(self._answers), _Environment(), _Settings()]


@contextmanager
def own_dlt(answers: Answers | None = None) -> Iterator[None]:
    """Runs dlt with our configuration until the block ends; then dlt has its former one again.

    The block may declare pipelines, and run those that another such block declared. Blocks may be nested. The
    configuration belongs to the process, so two threads must not be in such a block at once.

    Args:
        answers: what the providers answer before all others; None: nothing.
    """
    container, ours = Container(), PluggableRunContext(_OwnRun(answers or {}))
    # These would be dlt's further providers.
    ours.extras_added = True
    variables = {name: os.environ.get(name) for name in _HELPERS}
    has_telemetry = telemetry.is_telemetry_started()
    try:
        with (
            container.injectable_context(ours),
            _own_pipeline(container),
        ):
            yield
    finally:
        # dlt starts it once in a process. Its `stop_telemetry` would also end Airflow's own Sentry client.
        telemetry._TELEMETRY_STARTED = has_telemetry  # noqa: SLF001
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _own_pipeline(container: Container) -> Iterator[None]:
    """Keeps the active pipeline of dlt, and the capabilities of its destination, from the block."""
    has_capabilities = DestinationCapabilitiesContext in container
    capabilities = container[DestinationCapabilitiesContext] if has_capabilities else None
    with container.injectable_context(PipelineContext()) as pipelines:
        try:
            yield
        finally:
            pipelines.deactivate()
    if capabilities is not None:
        container[DestinationCapabilitiesContext] = capabilities


@contextmanager
def form_secrets() -> Iterator[None]:
    """Answers a form's `dlt.secrets` with FROM_CONNECTION until the block ends.

    The provider is the first of dlt's chain, so that no variable of the same name gets into the form.
    """
    with own_dlt(dict.fromkeys(CONNECTION_FIELDS, lambda: FROM_CONNECTION)):
        yield
