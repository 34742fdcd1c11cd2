"""### Directory sync

Reads the directory behind the connection `directory_api` every night and brings the warehouse up to date,
complete and with a record of every change.

| task | what it does |
|---|---|
| `extract` | reads the directory in parallel shards into the landing zone |
| `audit` | proves that no entry was missed, checks the snapshot, compares it with the warehouse |
| `publish` | merges only the difference into the warehouse |
| `approve_removals` | asks a person if more entries vanished than the limits allow; otherwise it is skipped |
| `remove` | marks exactly the approved entries as removed |

**It failed.** Open the log of the red task: its last line says what happened, what was not done and what to
do next. Transient errors (the API is down, the warehouse is locked) are retried before the task turns red.
Every task is idempotent: a cleared task does its work again without changing anything twice.

**Run it now:** *Trigger*. Mode `dry_run` reports what a sync would change and publishes nothing. Limits for
removals can be given for one run.

**Tables** in the schema `directory`: `directory_resource` and its child tables (the entries),
`directory_resource_changes` (what changed, when), `directory_resource_history` (every version),
`directory_syncs` (one row per publication). The asset `directory_resource` gets one event per sync, with
the report.
"""

import dlt
from airflow.sdk import DAG
from dlt.sources.rest_api.typing import RESTAPIConfig

from directory_sync.dag import Directory, directory_dag


def directory() -> RESTAPIConfig:
    """Returns what is synced, in the form of dlt's `rest_api` source. Edit it to fit the API.

    The connection `directory_api` holds the secrets: `dlt.secrets` below stands for its login and password.
    Its host is the base URL; the URLs below apply where it has none. README.md lists the keys that dlt does
    not know. A key that is not supported is refused when the Dag is parsed, with a message that names it.
    """
    return {
        "client": {
            "base_url": "https://api.example.com",
            "auth": {
                "type": "oauth2",  # type: ignore[typeddict-item]  # dlt: oauth2_client_credentials
                "client_id": dlt.secrets["client_id"],
                "client_secret": dlt.secrets["client_secret"],
                "token_url": "https://api.example.com/oauth/token",
            },
        },
        "resource_defaults": {
            "primary_key": "id",
            "write_disposition": "merge",
        },
        "resources": [
            {
                "name": "directory_resource",
                "endpoint": {
                    "path": "/v1/directory",
                    "data_selector": "data",
                    "paginator": {
                        "type": "offset",
                        "limit": 100,
                    },
                },
            },
        ],
    }


dag: DAG = directory_dag("directory_sync", Directory(form=directory), doc_md=__doc__)
