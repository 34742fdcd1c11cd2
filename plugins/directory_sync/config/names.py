"""Names of the Dag that the page in Airflow's interface reads, and of the page itself."""

from directory_sync.config.older_python import StrEnum

TAGS = ("directory", "dlt")
"""The tags by which the page finds its Dags."""

PAGE_URL = "/plugin/directory"
"""The address of the page *Directory*, relative to Airflow's own; `PageKey` has its query parameters."""


class Stage(StrEnum):
    """A task of a resource, or its group of tasks, in the order in which they run."""

    EXTRACT = "extract"
    AUDIT = "audit"
    PUBLISH = "publish"
    APPROVE_REMOVALS = "approve_removals"
    REMOVE = "remove"


class PageKey(StrEnum):
    """The query parameters of a link to the page *Directory*."""

    DAG = "dag"
    RESOURCE = "resource"
    RANGE = "range"


class XComKey(StrEnum):
    """The XComs in which tasks leave what the page says of a run."""

    CAUSE = "directory_cause"
    RETRY = "directory_retry"
    DECISION = "directory_decision"
    QUESTION = "directory_question"
