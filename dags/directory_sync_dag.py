"""### Directory sync

Reads the directory behind the connection `directory_api` every night and brings the warehouse up to date,
complete and with a record of every change.

| task | what it does |
|---|---|
| `extract` | reads the directory in parallel shards into the landing zone |
| `audit` | proves that nobody was missed, checks the snapshot, compares it with the warehouse |
| `publish` | merges the difference, and only it, into the warehouse |
| `approve_removals` | asks a person where more entries vanished than the limits allow; else it is skipped |
| `remove` | marks exactly the entries as removed that were approved |

**It failed.** Open the log of the red task: its last line says what happened, what was not done and what to
do next. Transient errors (the API is down, the warehouse is locked) are retried before the task turns red;
a cleared task does its work again and changes nothing twice.

**Run it now:** *Trigger*. Mode `dry_run` reports what a sync would change and publishes nothing. Limits for
removals can be given for one run.

**Tables** in the schema `directory`: `directory_resource` and its child tables (the entries),
`directory_resource_changes` (what changed, when), `directory_resource_history` (every version),
`directory_syncs` (one row a run). The asset `directory_resource` gets one event per sync, with the report.
"""

from airflow.sdk import DAG, CronDataIntervalTimetable

from directory_sync import secrets

# Before dlt reads its configuration for the first time.
secrets.quiet_dlt()

from directory_sync import deadline, display, params, retry, scope, tasks
from directory_sync.settings import SyncSettings

settings = SyncSettings.from_environment()

with DAG(
    "directory_sync",
    schedule=CronDataIntervalTimetable(settings.schedule, timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=retry.DEFAULT_ARGS,
    params=params.PARAMS,
    tags=["directory", "dlt"],
    doc_md=__doc__,
    deadline=deadline.alerts(settings),
    owner_links=display.owner_links(settings),
) as dag:
    for number, resource in enumerate(scope.declared_resources()):
        with tasks.group_of(resource, is_first=number == 0):
            (
                tasks.extract(resource, settings)
                >> tasks.audit(resource)
                >> tasks.publish(resource)
                >> tasks.approve_removals(resource, settings)
                >> tasks.remove(resource)
            )
        display.describe(dag, resource)
