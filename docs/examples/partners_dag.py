"""### A second directory

Syncs the partners' directory with its own connection and its own Dag. Put this file into the Dags folder and
add a connection `partners_api` of the type *Directory API*. The tables are in the schema `partners`, the
landed snapshots in a folder of that name, and the asset is `partners.directory_resource`.
"""

from typing import Any

import dlt
from airflow.sdk import DAG

from directory_sync.dag import Directory, directory_dag


def partners() -> dict[str, Any]:
    """Returns what is synced, in the form of dlt's `rest_api` source; `partners_api` holds the secrets."""
    return {
        "client": {
            "auth": {
                "type": "oauth2",
                "client_id": dlt.secrets["client_id"],
                "client_secret": dlt.secrets["client_secret"],
            },
        },
        "resources": [
            {
                "name": "directory_resource",
                "endpoint": {
                    "path": "/v1/directory",
                    "data_selector": "data",
                    "paginator": {"type": "offset", "limit": 100},
                },
            },
        ],
    }


dag: DAG = directory_dag(
    "partners_sync",
    Directory(
        connection="partners_api",
        form=partners,
        settings={"dataset": "partners", "schedule": "30 4 * * *", "shards": 2},
    ),
    doc_md=__doc__,
)
