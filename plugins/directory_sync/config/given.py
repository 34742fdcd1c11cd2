"""Where the switches of a deployment are given: as variables, or in Airflow's own configuration.

    DIRECTORY_SYNC_SHARDS=8                 a variable of our own
    AIRFLOW__DIRECTORY_SYNC__SHARDS=8       Airflow's variable for the next one
    [directory_sync]                        a section of airflow.cfg
    shards = 8

`airflow/options.py` reads the last two.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from directory_sync.errors import ConfigError

ENVIRONMENT_PREFIX = "DIRECTORY_SYNC_"
SECTION = "directory_sync"
_OF_KUBERNETES = re.compile(r"(\w+_)?(SERVICE_(HOST|PORT)|PORT|PORT_\d+_(TCP|UDP|SCTP))(_\w+)?")
"""What Kubernetes adds for a service that is called `directory-sync...`, after the prefix."""


class Given(NamedTuple):
    """A value, and what a message calls the place where it was given."""

    place: str
    text: str


Options = Callable[[], Mapping[str, str]]
_options: list[Options] = []


def also_read(options: Options) -> None:
    """Makes `given_switches` read the options of Airflow's configuration.

    Args:
        options: returns the options of the section that are set, by their names in small letters.
    """
    _options[:] = [options]


def given_switches(names: Collection[str], environment: Mapping[str, str] | None = None) -> dict[str, Given]:
    """Returns the switches that are given, by their names in small letters. An empty text gives none.

    Args:
        names: the names of all switches.
        environment: the variables; None: those of this process, and Airflow's configuration.

    Raises:
        ConfigError: a name is unknown, or a switch is given twice with two values.
    """
    found: dict[str, Given] = {}
    for name, given in _all_given(environment):
        if name not in names:
            advice = _advice(name, names)
            raise ConfigError(f"{given.place} is unknown. {advice} Nothing was done. Correct it.")
        if not given.text:
            continue
        if name in found and found[name].text != given.text:
            raise ConfigError(
                f"{found[name].place} is {found[name].text!r}, and {given.place} is {given.text!r}. Nothing "
                "was done. Remove one of them."
            )
        found.setdefault(name, given)
    return found


def _all_given(environment: Mapping[str, str] | None) -> Iterator[tuple[str, Given]]:
    variables = os.environ if environment is None else environment
    for variable in sorted(variables):
        rest = variable.removeprefix(ENVIRONMENT_PREFIX)
        if rest != variable and not _OF_KUBERNETES.fullmatch(rest):
            yield rest.lower(), Given(variable, variables[variable])
    for options in _options if environment is None else ():
        for option, text in options().items():
            yield option, Given(f"`{option}` in [{SECTION}] of Airflow's configuration", text)


def _advice(name: str, names: Collection[str]) -> str:
    close = get_close_matches(name, names, n=1)
    return f"Did you mean {close[0].upper()}?" if close else "See the README's table of settings."
