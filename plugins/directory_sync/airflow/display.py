"""What the UI shows for a task beside its state: a description, and a link to the page Directory."""

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import attrs
from airflow.sdk import DAG, BaseOperator, BaseOperatorLink

from directory_sync.airflow import compat
from directory_sync.airflow.landed import landing_note
from directory_sync.config.directory import Directory
from directory_sync.config.form import Resource
from directory_sync.config.names import PAGE_URL, PageKey, Stage
from directory_sync.config.settings import SyncSettings

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

DOCS = {
    "shard": "Reads one share of the directory into the landing zone. The log counts pages and entries; XCom "
    "holds the counts. A cleared task reads its share again.",
    Stage.AUDIT: "Proves that the snapshot is complete, checks it and compares it with the warehouse. Reads "
    "the places again where windows do not join. The log ends with the report.",
    Stage.PUBLISH: "Merges the difference into the warehouse and updates the asset. A second run of the "
    "same task changes nothing.",
    Stage.APPROVE_REMOVALS: "Asks a person, under *Required Actions*, where more entries vanished than the "
    "limits allow. Skipped where nothing is held.",
    Stage.REMOVE: "Marks exactly the approved entries as removed and updates the asset. Skipped unless a "
    "person approved.",
}
"""A task's description, by the name of its stage."""


@attrs.define
class DirectoryLink(BaseOperatorLink):
    """A link from a task to the page Directory."""

    resource: str

    @property
    def name(self) -> str:
        """The button's text."""
        return "Directory"

    def get_link(self, operator: BaseOperator, *, ti_key: "TaskInstanceKey") -> str:  # noqa: ARG002
        """Returns the page's URL; it is computed when the task ends."""
        query = urlencode({PageKey.DAG.value: operator.dag_id, PageKey.RESOURCE.value: self.resource})
        return f"{PAGE_URL}?{query}"


def owner_links(settings: SyncSettings, owner: str) -> dict[str, str]:
    """Returns the link of the owner's name in the list of Dags; empty where the deployment sets none."""
    return {owner: settings.owner_link} if settings.owner_link else {}


def describe(dag: DAG, directory: Directory, resource: Resource) -> None:
    """Gives a description, and a link where there is the page, to the tasks of a resource.

    These are the tasks without a link yet. The task `audit` says where the resource lands, for the page.
    """
    for task in dag.tasks:
        stage = "shard" if "_shard_" in task.task_id else task.task_id.rpartition(".")[2]
        if isinstance(task, BaseOperator) and stage in DOCS and not task.operator_extra_links:
            task.doc_md = DOCS[stage]
            if stage == Stage.AUDIT:
                task.doc_json = landing_note(directory, resource)
            if compat.HAS_PAGES:
                task.operator_extra_links = (DirectoryLink(resource.name),)
