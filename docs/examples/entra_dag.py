"""### Microsoft Entra ID: users, groups and their members

Reads Microsoft Graph with an app registration that has the application permissions `User.Read.All` and
`GroupMember.Read.All`. Put this file into the Dags folder and add a connection `entra_api`:

```json
{
  "conn_type": "directory_api",
  "host": "https://graph.microsoft.com/v1.0",
  "login": "<the application (client) id>",
  "password": "<the client secret>",
  "extra": {
    "token_url": "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token",
    "scope": "https://graph.microsoft.com/.default"
  }
}
```

An entry that a list lacks is asked for by its `id`: a 404 removes it. A membership has no address of its own;
it is removed when two nights in a row lack it.
"""

from typing import Any

import dlt
from airflow.sdk import DAG

from directory_sync.dag import Directory, directory_dag


def entra() -> dict[str, Any]:
    """Returns what is synced, in the form of dlt's `rest_api` source; `entra_api` holds the secret."""
    return {
        "client": {
            "auth": {
                "type": "oauth2_client_credentials",
                "client_id": dlt.secrets["client_id"],
                "client_secret": dlt.secrets["client_secret"],
            },
            # The quotes are needed: without them, the dot would lead into a field `@odata`.
            "paginator": {"type": "json_link", "next_url_path": "'@odata.nextLink'"},
        },
        "resource_defaults": {
            "primary_key": "id",
            "endpoint": {"data_selector": "value", "params": {"$top": 999}},
        },
        "resources": [
            {
                "name": "users",
                "endpoint": {
                    "path": "users",
                    "params": {"$select": "id,displayName,userPrincipalName,accountEnabled"},
                },
                "detail_path": "/users/{id}",
            },
            {"name": "groups", "endpoint": "groups", "detail_path": "/groups/{id}"},
            {
                "name": "group_members",
                "endpoint": {
                    "path": "groups/{resources.groups.id}/members",
                    "params": {"$select": "id"},
                },
                "include_from_parent": ["id"],
                "removals": "confirmed",
            },
        ],
    }


dag: DAG = directory_dag(
    "entra_sync",
    Directory(connection="entra_api", form=entra, settings={"dataset": "entra"}),
    doc_md=__doc__,
)
