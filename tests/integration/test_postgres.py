"""PostgreSQL as warehouse: readers, locks, rights and kills, on a real server."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import time_machine

from directory_sync.errors import ConfigError, WarehouseError
from directory_sync.warehouse.warehouse import open_warehouse
from sandbox.server import SandboxServer
from tests.capture import Capture
from tests.integration.cycle import RESOURCE, Cycle, child_process
from tests.integration.listing import Listing
from tests.integration.test_decisions import asked
from tests.integration.test_interruptions import PUBLISHES, arguments, audited
from tests.postgres import PostgresServer

STAGED_CHANGES = f"directory_staging.{RESOURCE}_changes"
ROLE = ("loader", "p@ss/w:rd %?#&+")
STATE = f"""
SELECT (SELECT count(*) FROM directory_syncs),
  (SELECT md5(string_agg(concat_ws(' ', id, _row_hash, _missing_since, _removed_at), ',' ORDER BY id))
   FROM {RESOURCE}),
  (SELECT count(*) FROM {RESOURCE}__codes),
  (SELECT count(*) FROM {RESOURCE}__codes AS c
   WHERE NOT EXISTS (SELECT 1 FROM {RESOURCE} AS r WHERE r._dlt_id = c._dlt_parent_id))
"""
HOLDS_IT = """
from pathlib import Path
from tests.integration.cycle import Cycle
from tests.postgres import PostgresServer
url, home, _, postgres = args
with Cycle(url=url, home=Path(home), postgres=PostgresServer(*postgres)).warehouse() as (warehouse, _):
    print(warehouse._destination._lock.info.backend_pid, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    return postgres_server


@pytest.fixture(scope="module")
def first_night(
    running_api: SandboxServer, tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Cycle:
    running_api.reset()
    home = tmp_path_factory.mktemp("first_night")
    cycle = Cycle(url=running_api.url, home=home, postgres=postgres_server)
    cycle.run("one")
    return cycle


def admin(cycle: Cycle, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    assert cycle.postgres
    return cycle.postgres.rows(sql, *values, database=cycle.database)


def wait_until(claim: Callable[[], object]) -> None:
    while not claim():
        time.sleep(0.02)


@contextmanager
def stopped_in_the_merge(cycle: Cycle) -> Iterator[Any]:
    """A process that publishes the run `two`; it waits in the merge, after its first deletions."""
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    assert cycle.postgres
    with cycle.postgres.connect(cycle.database) as blocking, blocking.cursor() as cursor:
        blocking.autocommit = False
        # The merge deletes from the child tables first and comes to this one last.
        cursor.execute(f"LOCK TABLE directory.{RESOURCE} IN SHARE MODE")
        child = child_process(PUBLISHES, *arguments(cycle, "two"))
        try:
            wait_until(lambda: admin(cycle, waits))
            yield child
        except BaseException:
            child.kill()
            child.communicate()
            raise


@contextmanager
def meanwhile(cycle: Cycle, statement: str) -> Iterator[None]:
    """Within it, a statement is run on the server each time the rows of the change log have been staged."""
    admin(
        cycle,
        f"""CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              {statement}; RETURN NULL; END $$;
            CREATE TRIGGER meanwhile AFTER INSERT ON {STAGED_CHANGES} FOR EACH STATEMENT
            WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION meanwhile()""",
    )
    yield
    admin(cycle, f"DROP TRIGGER meanwhile ON {STAGED_CHANGES}")


# ---- what readers see


def test_readers_see_each_table_with_its_child_tables_as_of_one_publication(
    api: SandboxServer, published: Cycle
) -> None:
    seen, stop = [], threading.Event()

    def read() -> None:
        assert published.postgres
        with (
            published.postgres.connect(published.database, options="-csearch_path=directory") as reading,
            reading.cursor() as cursor,
        ):
            while not stop.is_set():
                cursor.execute(STATE)
                seen.append(cursor.fetchone())

    states = [published.query(STATE)[0]]
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for night in range(4):
            api.directory.edit(20, 40, remove=7, seed=night)
            published.run(f"night {night}")
            states.append(published.query(STATE)[0])
    finally:
        stop.set()
        reader.join()
    assert {state[1:] for state in seen} <= {state[1:] for state in states}
    assert len({state[1:] for state in states}) == 5
    assert {orphans for *_, orphans in seen} == {0}
    assert len(seen) > 20
    # The sync's row is the last of its publication: who sees it sees all of it.
    of_sync = {state[0]: state for state in states}
    assert all(state[1:] == of_sync[state[0]][1:] for state in seen if state[0] == states[-1][0])


def test_readers_see_the_publication_before_while_the_merge_is_under_way(
    api: SandboxServer, published: Cycle
) -> None:
    audited(api, published)
    before = published.query(STATE)
    with stopped_in_the_merge(published) as child:
        assert published.query(STATE) == before
    child.communicate()
    assert child.returncode == 0
    [(syncs, *_, orphans)] = published.query(STATE)
    assert (syncs, orphans) == (2, 0)


def test_a_reader_in_a_long_transaction_does_not_hold_up_a_publication(
    api: SandboxServer, published: Cycle
) -> None:
    api.directory.edit(3, 3, remove=3, seed=1)
    assert published.postgres
    with published.postgres.connect(published.database) as reading:
        reading.autocommit = False
        with reading.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM directory.{RESOURCE}")
            published.run("two")
    assert published.ids() == set(api.directory.ids())


def test_a_new_column_waits_for_a_reader_so_long_and_says_what_it_waited_for(
    listing: Listing, tmp_path: Path, postgres: PostgresServer
) -> None:
    listing.entries = [{"id": 1, "text": "x"}]
    cycle = Cycle(url=listing.url, home=tmp_path, postgres=postgres)
    cycle.run("one")
    listing.entries = [{"id": 1, "text": "x", "new": "y"}]
    with postgres.connect(cycle.database) as reading, reading.cursor() as cursor:
        reading.autocommit = False
        cursor.execute(f"SELECT count(*) FROM directory.{RESOURCE}")
        with pytest.raises(WarehouseError, match="LockNotAvailable"):
            cycle.with_(settings={"warehouse_wait_seconds": 0.3}).run("two")
    cycle.publish("two")
    assert cycle.query(f"SELECT new FROM {RESOURCE}") == [("y",)]


# ---- kills


def test_a_publication_killed_in_the_merge_leaves_the_table_and_is_taken_up_again(
    api: SandboxServer, published: Cycle, tmp_path: Path
) -> None:
    """The server goes on with the statement of a client that is gone; its transaction never ends well."""
    audited(api, published)
    undisturbed = published.copied_to(tmp_path / "undisturbed")
    undisturbed.publish("two")
    before = published.query(STATE)
    with stopped_in_the_merge(published) as child:
        child.kill()
        child.communicate()
    assert published.query(STATE) == before
    published.publish("two")
    assert published.tables() == undisturbed.tables()


def test_a_hold_whose_connection_was_cut_publishes_nothing(api: SandboxServer, published: Cycle) -> None:
    """Another process may have taken the lock meanwhile."""
    audited(api, published)
    before = published.tables()
    with published.warehouse() as (warehouse, folder):
        admin(published, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with pytest.raises(WarehouseError, match=r"lock was cut\. Nothing was published"):
            published.publish_into(warehouse, folder, "two")
    assert published.tables() == before


PAUSES_BEFORE_THE_LOAD = """
from pathlib import Path
from dlt.load.load import Load
from tests.integration.cycle import Cycle
from tests.postgres import PostgresServer
begin = Load.load_single_package
def paused(self, load_id, schema):
    print("paused", flush=True)
    sys.stdin.readline()
    return begin(self, load_id, schema)
Load.load_single_package = paused
url, home, run_id, postgres = args
try:
    Cycle(url=url, home=Path(home), postgres=PostgresServer(*postgres)).publish(run_id)
except Exception as e:
    print(type(e).__name__, e, flush=True)
"""


@pytest.mark.parametrize("run_id", ["three", "two"], ids=["another night", "its own retry"])
def test_a_publication_that_lost_its_hold_writes_nothing_over_another_one(
    api: SandboxServer, published: Cycle, run_id: str
) -> None:
    """A zombie: it goes on after another process has taken the lock, published and gone."""
    audited(api, published)
    if run_id == "three":
        api.directory.edit(3, 3, remove=2, seed=9)
        published.extract("three")
        published.audit("three")
    zombie = child_process(PAUSES_BEFORE_THE_LOAD, *arguments(published, "two"))
    assert zombie.stdout is not None
    assert zombie.stdout.readline() == "paused\n"
    admin(published, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    published.publish(run_id)
    after = published.tables()
    said, _ = zombie.communicate("\n")
    assert re.match(r"WarehouseError .*Nothing was published", said)
    assert published.tables() == after


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT INTO {STAGED_CHANGES} SELECT * FROM directory.{RESOURCE}_changes LIMIT 1",
        # As after a crash of the server.
        f"DELETE FROM {STAGED_CHANGES}",
    ],
    ids=["another process stages rows", "the staged rows are gone"],
)
def test_staged_rows_that_are_not_this_publications_are_not_merged(
    api: SandboxServer, published: Cycle, statement: str
) -> None:
    audited(api, published)
    before = published.tables()
    refused = pytest.raises(WarehouseError, match=r"are not those of .* Nothing was published")
    with meanwhile(published, statement), refused:
        published.publish("two")
    assert published.tables() == before
    published.publish("two")
    assert published.ids() == set(api.directory.ids())


def test_only_staging_tables_go_without_log_and_unique_columns(published: Cycle) -> None:
    found = admin(
        published,
        """SELECT nspname, relpersistence, bool_or(contype = 'u') FROM pg_class
             JOIN pg_namespace ON pg_namespace.oid = relnamespace
             LEFT JOIN pg_constraint ON conrelid = pg_class.oid
           WHERE relkind = 'r' AND nspname LIKE 'directory%%' AND relname LIKE %s
           GROUP BY nspname, relpersistence ORDER BY nspname""",
        f"{RESOURCE}%",
    )
    assert found == [("directory", "p", True), ("directory_staging", "u", False)]


# ---- one process at a time


@contextmanager
def held(cycle: Cycle) -> Iterator[tuple[int, Callable[[], object]]]:
    """Another process holds the warehouse; the server's number of it, and how it lets go."""
    child = child_process(HOLDS_IT, *arguments(cycle, ""))
    assert child.stdout is not None
    try:
        yield int(child.stdout.readline()), lambda: child.communicate("\n")
    finally:
        child.kill()
        child.communicate()


def test_a_held_warehouse_is_an_error_that_names_who_holds_it(published: Cycle) -> None:
    hasty = published.with_(settings={"warehouse_wait_seconds": 0.2})
    with (
        held(published) as (pid, _),
        pytest.raises(
            WarehouseError, match=rf"process {pid} \(role postgres, from 127\.0\.0\.1, since .* holds it"
        ),
    ):
        hasty.roll_forward()


def test_who_holds_it_is_named_to_another_role_as_well(published: Cycle, role: tuple[str, str]) -> None:
    """The server tells a role little of the sessions of others."""
    hasty = published.with_(role=role, settings={"warehouse_wait_seconds": 0.2})
    with (
        held(published) as (pid, _),
        pytest.raises(WarehouseError, match=rf"process {pid} \(role postgres\) holds"),
    ):
        hasty.roll_forward()


def test_a_server_that_ends_the_connection_of_who_waits_is_an_error(published: Cycle) -> None:
    patient = published.with_(settings={"warehouse_wait_seconds": 30.0})
    with held(published) as (pid, _):
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE %s AND pid NOT IN (%s, pg_backend_pid())"
        )
        cut = threading.Timer(0.7, admin, [published, others, "%pg_stat_activity WHERE pid IN%", pid])
        cut.start()
        with pytest.raises(WarehouseError, match=r"was cut .* before it was held") as caught:
            patient.roll_forward()
        cut.join()
    assert caught.value.__context__ is caught.value.__cause__ is None


def test_a_warehouse_that_is_released_in_time_is_opened(published: Cycle) -> None:
    with held(published) as (_, release):
        timer = threading.Timer(0.5, release)
        timer.start()
        assert published.with_(settings={"warehouse_wait_seconds": 20.0}).roll_forward() == []
        timer.join()


def test_another_schema_of_the_database_is_not_held_up(published: Cycle) -> None:
    with held(published):
        other = published.with_(settings={"dataset": "partners", "warehouse_wait_seconds": 0.2})
        assert other.roll_forward() == []


def test_a_killed_process_lets_go(published: Cycle) -> None:
    with held(published):
        pass
    assert published.roll_forward() == []


# ---- where it goes


def test_a_host_may_be_the_folder_of_the_servers_socket(
    listing: Listing, tmp_path: Path, postgres: PostgresServer
) -> None:
    listing.entries = [{"id": number, "codes": ["a"]} for number in range(30)]
    by_socket = replace(postgres, host=postgres.socket_folder)
    cycle = Cycle(url=listing.url, home=tmp_path, postgres=by_socket)
    cycle.run("one")
    listing.entries[3]["codes"] = ["b"]
    assert cycle.run("two").changes["changed"] == 1
    assert cycle.ids() == set(range(30))


def test_the_tables_stand_in_the_schema_that_the_settings_name(api: SandboxServer, cycle: Cycle) -> None:
    partners = cycle.with_(settings={"dataset": "partners"})
    partners.run("one")
    api.directory.edit(2, 2, remove=2, seed=1)
    partners.run("two")
    assert partners.ids() == set(api.directory.ids())
    schemas = (
        "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_schema !~ '^(pg_|info)'"
    )
    assert {row[0] for row in admin(partners, schemas)} == {"partners", "partners_staging"}


@pytest.fixture
def role(postgres_server: PostgresServer) -> Iterator[tuple[str, str]]:
    """A role that may nothing but log in."""
    login, password = ROLE
    postgres_server.rows(f"CREATE ROLE {login} LOGIN PASSWORD '{password}'")
    yield ROLE
    for (database,) in postgres_server.rows("SELECT datname FROM pg_database WHERE datname ~ '^home_'"):
        postgres_server.rows(f"DROP OWNED BY {login} CASCADE", database=database)
    postgres_server.rows(f"DROP OWNED BY {login} CASCADE")
    postgres_server.rows(f"DROP ROLE {login}")


RIGHTS = {
    "to create schemas": ["GRANT CREATE, TEMPORARY ON DATABASE {database} TO loader"],
    "in schemas that exist": [
        "GRANT TEMPORARY ON DATABASE {database} TO loader",
        "CREATE SCHEMA directory",
        "CREATE SCHEMA directory_staging",
        "GRANT USAGE, CREATE ON SCHEMA directory, directory_staging TO loader",
    ],
}
"""As docs/warehouses.md gives them."""


@pytest.mark.parametrize("rights", RIGHTS.values(), ids=RIGHTS)
def test_a_role_with_the_documented_rights_alone_does_everything(
    api: SandboxServer, cycle: Cycle, role: tuple[str, str], rights: list[str]
) -> None:
    limited = cycle.with_(role=role)
    assert limited.connection
    admin(limited, f"REVOKE ALL ON DATABASE {limited.database} FROM PUBLIC")
    admin(limited, f"GRANT CONNECT ON DATABASE {limited.database} TO {role[0]}")
    admin(limited, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for grant in rights:
        admin(limited, grant.format(database=limited.database))
    limited.run("one")
    api.directory.edit(3, 3, remove=16, seed=1)
    assert limited.run("two").holds.asks
    limited.remove("two", asked(limited, "two"))
    assert limited.ids() == set(api.directory.ids())
    assert limited.run("three").changes_nothing


def test_rights_that_lack_are_an_error_that_names_their_class(cycle: Cycle, role: tuple[str, str]) -> None:
    limited = cycle.with_(role=role)
    with pytest.raises(WarehouseError, match="InsufficientPrivilege"):
        limited.run("one")


def test_a_wrong_password_is_an_error_without_the_password(published: Cycle, role: tuple[str, str]) -> None:
    wrong = published.with_(role=(role[0], "an0ther-s3cret"))
    with pytest.raises(WarehouseError, match=r"cannot be reached .* authentication failed") as caught:
        wrong.roll_forward()
    assert "an0ther-s3cret" not in str(caught.value)
    assert not caught.value.is_outage
    assert caught.value.__context__ is caught.value.__cause__ is None


def test_the_password_stands_in_no_log_and_in_no_file(
    api: SandboxServer, published: Cycle, captured: Capture, role: tuple[str, str]
) -> None:
    login, password = role
    admin(published, f"ALTER ROLE {login} SUPERUSER")
    audited(api, published)
    with published.with_(role=role).warehouse() as (warehouse, folder):
        published.publish_into(warehouse, folder, "two")
        admin(published, f"ALTER ROLE {login} NOSUPERUSER")
        files = [path for root in (folder, published.home) for path in root.rglob("*") if path.is_file()]
        found = b"".join(path.read_bytes() for path in files) + "".join(captured.lines).encode()
    forms = {password, quote(password), quote(password, safe=""), quote_plus(password)}
    assert not [form for form in forms if form.encode() in found]
    assert len(files) > 5


# ---- what is read and written


def test_rows_are_read_in_batches_that_leave_no_transaction_open(published: Cycle) -> None:
    with published.warehouse() as (warehouse, _):
        sql = f"SELECT id FROM directory.{RESOURCE} WHERE id > %s"
        batches = warehouse._destination.batches(warehouse._client, sql, (0,), 120)
        first = next(batches)
        sessions = "FROM pg_stat_activity WHERE datname = current_database()"
        idle = f"SELECT count(*) {sessions} AND state LIKE 'idle in%%'"
        assert admin(published, idle) == [(0,)]
        assert [len(first), *map(len, batches)] == [120, 120, 60]
        assert warehouse._client.execute_sql("SELECT name FROM pg_cursors") == []


@pytest.fixture(scope="module")
def listing() -> Iterator[Listing]:
    with Listing() as server:
        yield server


TEXTS = ["", " ", "null", "NULL", "%s %", "\\", "\\N", "'", '"', "a\nb\r\tc", "{}", "ü 東京 🎉", "$$; --"]


def test_texts_arrive_as_they_are(listing: Listing, tmp_path: Path, postgres: PostgresServer) -> None:
    listing.entries = [{"id": f"{n} {text}", "text": text} for n, text in enumerate(TEXTS)]
    cycle = Cycle(url=listing.url, home=tmp_path, postgres=postgres)
    cycle.run("one")
    rows = cycle.query(f"SELECT id, text FROM {RESOURCE}")
    assert sorted(rows) == sorted((entry["id"], entry["text"]) for entry in listing.entries)
    assert cycle.run("two").changes_nothing


def test_rows_that_another_process_stages_for_a_table_without_rows_are_not_merged(
    listing: Listing, tmp_path: Path, postgres: PostgresServer
) -> None:
    listing.entries = [{"id": 1, "name": "a", "tags": ["x", "y"]}, {"id": 2, "name": "b", "tags": ["z"]}]
    cycle = Cycle(url=listing.url, home=tmp_path, postgres=postgres)
    cycle.run("one")
    listing.entries[0] = {"id": 1, "name": "c", "tags": []}
    cycle.extract("two")
    cycle.audit("two")
    before = cycle.tables()
    tags = f"INSERT INTO directory_staging.{RESOURCE}__tags SELECT * FROM directory.{RESOURCE}__tags LIMIT 1"
    refused = pytest.raises(WarehouseError, match=r"`directory_resource__tags` are not those of")
    with meanwhile(cycle, tags), refused:
        cycle.publish("two")
    assert cycle.tables() == before
    cycle.publish("two")
    assert cycle.query(f"SELECT value FROM {RESOURCE}__tags") == [("z",)]


@pytest.mark.parametrize("nested", [{}, {"max_table_nesting": 0}], ids=["child tables", "json"])
def test_an_entry_with_a_character_postgresql_lacks_is_published(
    listing: Listing, tmp_path: Path, postgres: PostgresServer, nested: dict[str, Any]
) -> None:
    """U+0000 is JSON, and no text of PostgreSQL; one entry must not hold up all others."""
    listing.entries = [
        {"id": 1, "text": "a\x00b", "tags": [{"k": "c\x00d"}]},
        {"id": 2, "text": "x", "tags": []},
    ]
    cycle = Cycle(url=listing.url, home=tmp_path, postgres=postgres, resource=nested)
    cycle.run("one")
    assert dict(cycle.query(f"SELECT id, text FROM {RESOURCE}")).keys() == {1, 2}
    assert cycle.run("two").changes_nothing


def test_a_field_of_the_extra_that_cannot_be_honoured_is_refused(published: Cycle) -> None:

    assert published.connection
    wrong = replace(published.connection, extra={"iam": True})
    with (
        pytest.raises(ConfigError, match="`iam` in the extra of the connection `directory_warehouse`"),
        open_warehouse(wrong, published.switches, folder=published.home),
    ):
        pass


# ---- a long history


@pytest.fixture
def long_history(published: Cycle) -> Cycle:
    """A change log of 40 syncs beside the first one, each of some hundred rows."""
    log, syncs = f"directory.{RESOURCE}_changes", "directory.directory_syncs"
    past = "(SELECT n, to_char(n, 'FM00000000') AS name FROM generate_series(1, 40) AS n) AS old"
    columns = {table: columns_of(published, table) for table in (f"{RESOURCE}_changes", "directory_syncs")}
    for table, target in ((f"{RESOURCE}_changes", log), ("directory_syncs", syncs)):
        values = {"sync_id": "'20200101T000000-' || name", "_dlt_id": "md5(random()::text)"}
        listed = ", ".join(f'"{column}"' for column in columns[table])
        chosen = ", ".join(values.get(column, f'row."{column}"') for column in columns[table])
        admin(
            published,
            f"INSERT INTO {target} ({listed}) SELECT {chosen} FROM {past}, "
            f"(SELECT * FROM {target} WHERE sync_id NOT LIKE '2020%%') AS row",
        )
    admin(published, f"ANALYZE {log}, {syncs}")
    return published


def columns_of(cycle: Cycle, table: str) -> list[str]:
    sql = "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?"
    return [name for (name,) in cycle.query(sql, "directory", table)]


def test_unfinished_syncs_are_found_by_the_index_not_by_reading_the_log(long_history: Cycle) -> None:
    """Also those that an older version has left: change rows without their row in `directory_syncs`."""
    log = f"directory.{RESOURCE}_changes"
    interrupted = f"{datetime.now(UTC):%Y%m%d}T235959-00000007"
    with long_history.warehouse() as (warehouse, _):
        assert warehouse.unfinished_syncs(long_history.parsed) == []
        admin(
            long_history,
            f"UPDATE {log} SET sync_id = '{interrupted}' WHERE sync_id = '20200101T000000-00000007'",
        )
        # Before the last full snapshot none is unfinished, so none is looked for.
        admin(
            long_history, "DELETE FROM directory.directory_syncs WHERE sync_id = '20200101T000000-00000008'"
        )
        admin(long_history, f"ANALYZE {log}")
        assert warehouse.unfinished_syncs(long_history.parsed) == [interrupted]
        [(asked, values)] = [one for one in sent(warehouse, long_history) if "RECURSIVE" in one[0]]
    plan = "\n".join(line for (line,) in admin(long_history, f"EXPLAIN {asked % tuple(map(repr, values))}"))
    assert "_by_sync_id" in plan
    assert f"Seq Scan on {RESOURCE}_changes" not in plan


def sent(warehouse: Any, cycle: Cycle) -> list[tuple[str, tuple[Any, ...]]]:
    """The statements that a question to the warehouse sends, with their values."""
    statements: list[tuple[str, tuple[Any, ...]]] = []
    client, execute = warehouse._client, warehouse._client.execute_sql

    def recording(sql: Any, *values: Any, **named: Any) -> Any:
        statements.append((str(sql), values))
        return execute(sql, *values, **named)

    client.execute_sql = recording
    try:
        warehouse.unfinished_syncs(cycle.parsed)
    finally:
        del client.execute_sql
    return statements


def test_the_servers_clock_refuses_what_this_machines_clock_lets_pass(published: Cycle) -> None:
    """The machine that reads, audits and publishes is an hour ahead, all three."""
    strict = published.with_(settings={"clock_tolerance_minutes": 5.0})
    with (
        time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=True),
        pytest.raises(ConfigError, match="of run two says that it was requested at"),
    ):
        strict.run("two")
    assert published.query("SELECT count(*) FROM directory_syncs") == [(1,)]
