"""### Groups and their members

Syncs the groups of a directory, and the members of each group. Put this file into the Dags folder and add a
connection `groups_api` of the type *Directory API*. The tables are `access.groups` and `access.members`; each
row of `members` has the key of its group in `_groups_id`, and the group's name in `_groups_name`.
"""

from typing import Any

from airflow.sdk import DAG

from directory_sync.dag import Directory, directory_dag


def groups() -> dict[str, Any]:
    """Returns what is synced, in the form of dlt's `rest_api` source; `groups_api` holds the secrets."""
    return {
        "client": {"auth": {"type": "oauth2_client_credentials"}},
        "resource_defaults": {
            "endpoint": {"data_selector": "data", "paginator": {"type": "offset", "limit": 100}},
        },
        "resources": [
            {"name": "groups", "endpoint": {"path": "groups"}},
            {
                "name": "members",
                "endpoint": {"path": "groups/{resources.groups.id}/members"},
                "include_from_parent": ["name"],
            },
        ],
    }


dag: DAG = directory_dag(
    "groups_sync",
    Directory(connection="groups_api", form=groups, settings={"dataset": "access"}),
    doc_md=__doc__,
)
