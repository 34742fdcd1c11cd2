"""What is synced, in the form of dlt's `rest_api` source.

The configuration is a function because it holds secrets: it is called where they can be resolved, in
a task. `dlt.secrets["client_id"]` and `dlt.secrets["client_secret"]` are answered from the connection
`directory_api` (login and password), whose host is the base URL that counts; the addresses below
serve only where the connection has none.

Beyond dlt's form a resource may say:

    order           "stable": the API promises that entries keep their places among each other
    sort_field      the field (a dotted path) the list is sorted by and that never changes; the order is
                    observed where it ascends
    detail_path     "/v1/directory/{id}": an absent entry is asked for there; 404 or 410 proves it gone,
                    if the path finds entries that are there
    total           "approximate": the API's own count is an estimate and is not reconciled
    ignored_fields  fields (dotted paths) whose changes do not count as a change of the entry
    label_field     a field (a dotted path) that names an entry where a person decides on its removal
    removals        "trusted": what a walk along cursors or links lacks is removed without a person

The paginator may be any of dlt's; see `paging.py` for what each can prove.

What cannot be honoured is refused with a ConfigError that names it; see `form.py`.
"""

import dlt
from dlt.sources.rest_api.typing import RESTAPIConfig


def directory() -> RESTAPIConfig:
    """Returns the configuration of the directory."""
    return {
        "client": {
            "base_url": "https://api.example.com",
            "auth": {
                "type": "oauth2",  # type: ignore[typeddict-item]  # ours; dlt has no such name
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
