"""### Google Workspace: users, groups and their members

Reads the Directory API with a service account that may act for an administrator (domain-wide delegation). Put
this file into the Dags folder and add a connection `google_workspace_api`:

```json
{
  "conn_type": "directory_api",
  "host": "https://admin.googleapis.com/admin/directory/v1",
  "login": "<the service account's client_email>",
  "password": "<its private_key>",
  "extra": {
    "token_url": "https://oauth2.googleapis.com/token",
    "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "subject": "<the administrator's address>",
    "scope": "https://www.googleapis.com/auth/admin.directory.user.readonly https://www.googleapis.com/auth/admin.directory.group.readonly"
  }
}
```

An entry that a list lacks is asked for by its `id`: a 404 removes it. A membership is removed when two nights
in a row lack it.
"""

from typing import Any

import dlt
from airflow.sdk import DAG

from directory_sync.dag import Directory, directory_dag


def google_workspace() -> dict[str, Any]:
    """Returns what is synced, in the form of dlt's `rest_api` source; the connection holds the key."""
    return {
        "client": {
            "auth": {"type": "oauth2_client_credentials", "client_id": dlt.secrets["client_id"]},
            "paginator": {"type": "cursor", "cursor_path": "nextPageToken", "cursor_param": "pageToken"},
        },
        # Google leaves an empty list out of the answer. An etag changes without the rest.
        "resource_defaults": {"primary_key": "id", "empty": "absent", "ignored_fields": ["etag"]},
        "resources": [
            {
                "name": "users",
                "endpoint": {
                    "path": "users",
                    "data_selector": "users",
                    "params": {"customer": "my_customer", "maxResults": 500},
                },
                "detail_path": "/users/{id}",
            },
            {
                "name": "groups",
                "endpoint": {
                    "path": "groups",
                    "data_selector": "groups",
                    "params": {"customer": "my_customer", "maxResults": 200},
                },
                "detail_path": "/groups/{id}",
            },
            {
                "name": "group_members",
                "endpoint": {
                    "path": "groups/{resources.groups.id}/members",
                    "data_selector": "members",
                    "params": {"maxResults": 200},
                },
                "include_from_parent": ["id"],
                "removals": "confirmed",
            },
        ],
    }


dag: DAG = directory_dag(
    "google_workspace_sync",
    Directory(
        connection="google_workspace_api", form=google_workspace, settings={"dataset": "google_workspace"}
    ),
    doc_md=__doc__,
)
