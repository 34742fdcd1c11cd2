"""### GitHub: an organisation's members, teams and team members

Reads an organisation with a token of one of its members: GitHub shows public members only to anyone else, and
does not say so. Put this file into the Dags folder and add a connection `github_api`:

```json
{
  "conn_type": "directory_api",
  "host": "https://api.github.com",
  "password": "<a token with read:org>"
}
```

GitHub has no address of a member by `id`, and a login may change. What a list lacks is removed when two
nights in a row lack it.
"""

from typing import Any

import dlt
from airflow.sdk import DAG

from directory_sync.dag import Directory, directory_dag

ORGANISATION = "example-org"


def github() -> dict[str, Any]:
    """Returns what is synced, in the form of dlt's `rest_api` source; `github_api` holds the token."""
    return {
        "client": {
            "auth": {"type": "bearer", "token": dlt.secrets["token"]},
            "headers": {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
            "paginator": {"type": "header_link"},
        },
        "resource_defaults": {
            "primary_key": "id",
            "removals": "confirmed",
            "endpoint": {"data_selector": "$", "params": {"per_page": 100}},
        },
        "resources": [
            {"name": "members", "endpoint": f"orgs/{ORGANISATION}/members", "label_field": "login"},
            {"name": "teams", "endpoint": f"orgs/{ORGANISATION}/teams"},
            {
                "name": "team_members",
                "endpoint": f"orgs/{ORGANISATION}/teams/{{resources.teams.slug}}/members",
                "include_from_parent": ["id"],
            },
        ],
    }


dag: DAG = directory_dag(
    "github_organisation_sync",
    Directory(connection="github_api", form=github, settings={"dataset": "github"}),
    doc_md=__doc__,
)
