"""### Keycloak: users, groups and their members

Reads a realm by the Admin REST API, with a client whose service account has the roles `view-users` and
`query-groups`. Put this file into the Dags folder and add a connection `keycloak_api`:

```json
{
  "conn_type": "directory_api",
  "host": "https://keycloak.example.org/admin/realms/factory",
  "login": "<the client's id>",
  "password": "<the client's secret>",
  "extra": {"token_url": "/realms/factory/protocol/openid-connect/token"}
}
```

The lists are read in windows that overlap. An entry that a list lacks is asked for by its `id`: a 404 removes
it. Groups below other groups have lists of their own in Keycloak and are not read here.
"""

from typing import Any

import dlt
from airflow.sdk import DAG

from directory_sync.dag import Directory, directory_dag


def keycloak() -> dict[str, Any]:
    """Returns what is synced, in the form of dlt's `rest_api` source; `keycloak_api` holds the secret."""
    return {
        "client": {
            "auth": {
                "type": "oauth2_client_credentials",
                "client_id": dlt.secrets["client_id"],
                "client_secret": dlt.secrets["client_secret"],
            },
            "paginator": {
                "type": "offset",
                "offset_param": "first",
                "limit_param": "max",
                "limit": 100,
                "total_path": None,
            },
        },
        "resource_defaults": {"primary_key": "id", "endpoint": {"data_selector": "$"}},
        "resources": [
            {"name": "users", "endpoint": "users", "detail_path": "/users/{id}", "label_field": "username"},
            {"name": "groups", "endpoint": "groups", "detail_path": "/groups/{id}"},
            {
                "name": "group_members",
                "endpoint": "groups/{resources.groups.id}/members",
                "include_from_parent": ["id"],
            },
        ],
    }


dag: DAG = directory_dag(
    "keycloak_sync",
    Directory(connection="keycloak_api", form=keycloak, settings={"dataset": "keycloak"}),
    doc_md=__doc__,
)
