"""Reads in the API server what a run landed, for the page "Directory": who joined, left and changed.

The API server runs no Dag file. Where a resource lands stands in the serialized Dag, as the `doc_json` of its
task `audit`, so that a request names no path.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from directory_sync.config.connections import LANDING_CONNECTION
from directory_sync.errors import DirectorySyncError

if TYPE_CHECKING:
    from directory_sync.config.directory import Directory
    from directory_sync.config.form import Resource

logger = logging.getLogger(__name__)

ELSEWHERE = (
    "The API server of this Airflow does not see the landing zone, so no entry can be named here. It is a "
    "folder of another machine: let the API server mount it too, or land in a bucket."
)
UNREADABLE = (
    "The API server of this Airflow cannot read the landing zone, so no entry can be named here; the API "
    "server's log says why."
)
NOT_LANDED = (
    "The landing zone has no entries of this run to name: an earlier release published it, or its folder was "
    "deleted after the retention."
)


def landing_note(directory: "Directory", resource: "Resource") -> str:
    """Returns the `doc_json` of the task `audit`: where the resource lands.

    A `home` that the Dag file gives stands in it; any other is the API server's own setting.

    Args:
        directory: the directory of the resource.
        resource: the resource.
    """
    landing = {"connection": directory.landing, "folder": directory.landing_folder}
    if home := directory.settings.get("home"):
        landing["home"] = str(home)
    return json.dumps({"resource": resource.name, "landing": landing})


def who(dag_id: str, resource: str, *, run_id: str, sync_id: str) -> dict[str, Any]:
    """Returns who joined, left and changed in a publication, as the page reads it.

    Args:
        dag_id: the Dag.
        resource: the resource.
        run_id: the run of the publication.
        sync_id: the publication.

    Returns:
        `who`, the content of `who.json`; where that is None, `why` says in a sentence why.

    Raises:
        KeyError: there is no such Dag, or it has no such resource.
    """
    landing = _landing_of(dag_id, resource)
    try:
        found = _landed(landing, resource, run_id=run_id, sync_id=sync_id)
    except (DirectorySyncError, OSError) as error:
        logger.warning("Who joined, left and changed in %s of %s cannot be read: %s", run_id, dag_id, error)
        return {"who": None, "why": UNREADABLE}
    return found


def _landing_of(dag_id: str, resource: str) -> Mapping[str, str]:
    """Returns where a resource of a Dag lands, as its serialized form says it."""
    from airflow.models.serialized_dag import SerializedDagModel

    dag = SerializedDagModel.get_dag(dag_id)
    for task in dag.task_dict.values() if dag else ():
        note = json.loads(task.doc_json) if task.doc_json else {}
        if isinstance(note, dict) and note.get("resource") == resource and "landing" in note:
            landing: Mapping[str, str] = note["landing"]
            return landing
    raise KeyError(resource)


def _landed(landing: Mapping[str, str], resource: str, *, run_id: str, sync_id: str) -> dict[str, Any]:
    from directory_sync.airflow.scope import connection_fields
    from directory_sync.config.settings import SyncSettings
    from directory_sync.landing.place import landing_place
    from directory_sync.landing.zone import Landing

    connection = connection_fields(landing["connection"])
    if connection is None and landing["connection"] != LANDING_CONNECTION:
        logger.warning("There is no connection `%s` in the API server", landing["connection"])
        return {"who": None, "why": UNREADABLE}
    settings = SyncSettings.from_environment()
    if "home" in landing:
        settings = replace(settings, home=Path(landing["home"]))
    place = landing_place(connection, settings)
    if "://" not in place.url and not Path(place.url).is_dir():
        return {"who": None, "why": ELSEWHERE}
    snapshot = Landing(place, folder=landing["folder"]).snapshot(resource, run_id)
    found = snapshot.who(sync_id)
    return {"who": found} if found else {"who": None, "why": NOT_LANDED}
