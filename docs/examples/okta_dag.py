"""### Okta: users, groups and their members

Reads an Okta organisation with an API token. Put this file into the Dags folder and add a connection
`okta_api`:

```json
{
  "conn_type": "directory_api",
  "host": "https://example.okta.com/api/v1",
  "password": "<the API token>"
}
```

Okta's plain list leaves out users with the status `DEPROVISIONED`, so this form searches for all statuses: a
deactivated user stays in the table, with that status. An entry that a list lacks is asked for by its `id`: a
404 removes it. A membership has no address of its own; it is removed when two nights in a row lack it.
"""

from typing import Any

import dlt
from airflow.sdk import DAG

from directory_sync.dag import Directory, directory_dag

STATUSES = (
    "STAGED", "PROVISIONED", "ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT", "SUSPENDED",
    "DEPROVISIONED",
)  # fmt: skip


def okta() -> dict[str, Any]:
    """Returns what is synced, in the form of dlt's `rest_api` source; `okta_api` holds the token."""
    return {
        "client": {
            "auth": {
                "type": "api_key",
                "name": "Authorization",
                "api_key": f"SSWS {dlt.secrets['api_key']}",
            },
            "paginator": {"type": "header_link"},
        },
        "resource_defaults": {"primary_key": "id", "endpoint": {"data_selector": "$"}},
        "resources": [
            {
                "name": "users",
                "endpoint": {
                    "path": "users",
                    "params": {
                        "limit": 200,
                        "search": " or ".join(f'status eq "{status}"' for status in STATUSES),
                    },
                },
                "detail_path": "/users/{id}",
            },
            {
                "name": "groups",
                "endpoint": {"path": "groups", "params": {"limit": 200}},
                "detail_path": "/groups/{id}",
            },
            {
                "name": "group_members",
                "endpoint": {"path": "groups/{resources.groups.id}/users", "params": {"limit": 1000}},
                "include_from_parent": ["id"],
                "removals": "confirmed",
            },
        ],
    }


dag: DAG = directory_dag(
    "okta_sync",
    Directory(connection="okta_api", form=okta, settings={"dataset": "okta"}),
    doc_md=__doc__,
)
