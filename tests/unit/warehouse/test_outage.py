"""An outage of the warehouse is waited for; a refusal, which a person must mend, is not."""

import psycopg2
import pytest
from dlt.destinations.exceptions import DatabaseTransientException, DestinationConnectionError
from psycopg2 import errors

from directory_sync.errors import WarehouseError
from directory_sync.warehouse.outage import was_away
from directory_sync.warehouse.sql import without_values

AT = 'connection to server at "db.example.com", port 5432 failed: '


@pytest.mark.parametrize(
    ("error", "is_outage"),
    [
        (psycopg2.OperationalError(f"{AT}Connection refused"), True),
        (psycopg2.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg2.OperationalError(f"{AT}No such file or directory"), True),
        (psycopg2.OperationalError(f"{AT}FATAL:  the database system is starting up"), True),
        (psycopg2.InterfaceError("connection already closed"), True),
        (errors.AdminShutdown("terminating connection"), True),
        (psycopg2.OperationalError(f'{AT}FATAL:  password authentication failed for user "x"'), False),
        (psycopg2.OperationalError(f'{AT}FATAL:  database "x" does not exist'), False),
        (psycopg2.OperationalError(f'{AT}FATAL:  role "x" does not exist'), False),
        (psycopg2.OperationalError(f'{AT}FATAL:  no pg_hba.conf entry for host "1.2.3.4"'), False),
        (psycopg2.OperationalError(f"{AT}fe_sendauth: no password supplied"), False),
        (errors.UndefinedTable("relation does not exist"), False),
    ],
)
def test_an_outage_is_told_from_a_refusal(error: Exception, is_outage: bool) -> None:
    assert was_away(error) is is_outage
    wrapped = DatabaseTransientException(error)
    wrapped.__cause__ = error
    assert was_away(wrapped) is is_outage
    with pytest.raises(WarehouseError) as caught, without_values():
        raise wrapped
    assert caught.value.is_outage is is_outage


def test_dlts_own_error_of_a_connection_is_a_refusal_where_its_cause_is_one() -> None:
    opened = DestinationConnectionError("postgres", "directory", "refused", Exception())
    assert was_away(opened)
    opened.__cause__ = psycopg2.OperationalError(f'{AT}FATAL:  password authentication failed for user "x"')
    assert not was_away(opened)
