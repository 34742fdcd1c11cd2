"""The class of an error says what happens next, however deep dlt has wrapped it."""

import pickle
import traceback

import dlt
import pytest
from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.extract.exceptions import ResourceExtractionError

from directory_sync import errors
from directory_sync.errors import (
    ApiError,
    ApiUnavailableError,
    AuthError,
    ConfigError,
    DataError,
    DirectorySyncError,
    EnvelopeError,
    PermanentError,
    RemovalsHeld,
    SnapshotError,
    TransientError,
    WarehouseError,
    find_error,
)
from directory_sync.warehouse.sql import without_values


class WrappingError(Exception):
    """Keeps the inner exception as dlt's exceptions do."""

    def __init__(self, exception: BaseException) -> None:
        super().__init__("wrapped")
        self.exception = exception


@pytest.mark.parametrize(
    "kind",
    [ConfigError, AuthError, ApiError, EnvelopeError, DataError, RemovalsHeld],
    ids=lambda k: k.__name__,
)
def test_a_permanent_error_is_not_transient(kind):
    assert issubclass(kind, PermanentError)
    assert not issubclass(kind, TransientError)


@pytest.mark.parametrize(
    "kind", [ApiUnavailableError, SnapshotError, WarehouseError], ids=lambda k: k.__name__
)
def test_a_transient_error_is_not_permanent(kind):
    assert issubclass(kind, TransientError)
    assert not issubclass(kind, PermanentError)


def test_every_error_has_one_root():
    ours = [
        item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, BaseException)
    ]
    assert len(ours) == 12
    assert all(issubclass(item, DirectorySyncError) for item in ours)


def test_the_docstring_draws_every_class():
    ours = [name for name, item in vars(errors).items() if isinstance(item, type)]
    drawn = [name for name in ours if name != "Iterator" and name not in (errors.__doc__ or "")]
    assert drawn == []


def test_an_error_finds_itself():
    error = ConfigError("a setting")
    assert find_error(error) is error


def test_an_error_is_found_behind_from():
    outer, error = ValueError("outer"), ConfigError("a setting")
    outer.__cause__ = error
    assert find_error(outer) is error


def test_an_error_is_found_in_the_context():
    outer, error = ValueError("outer"), ConfigError("a setting")
    outer.__context__ = error
    assert find_error(outer) is error


def test_an_error_is_found_on_the_attribute_of_dlt():
    error = ApiError("status 404")
    assert find_error(WrappingError(WrappingError(error))) is error


def test_an_error_raised_in_a_dlt_resource_is_found():
    error = EnvelopeError("no list")

    @dlt.resource
    def entries():
        raise error
        yield

    with pytest.raises(ResourceExtractionError) as caught:
        list(entries)
    assert find_error(caught.value) is error


def test_the_outermost_of_two_errors_counts():
    outer = SnapshotError("not sealed")
    outer.__cause__ = ApiError("status 404")
    assert find_error(outer) is outer


def test_a_chain_without_an_error_of_ours_answers_none():
    outer = ValueError("outer")
    outer.__cause__ = KeyError("inner")
    assert find_error(outer) is None


def test_a_chain_that_bites_its_tail_ends():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__context__ = second, first
    assert find_error(first) is None


def test_an_attribute_that_is_no_exception_is_passed_over():
    outer = WrappingError("only a text")  # type: ignore[arg-type]
    assert find_error(outer) is None


def test_a_wait_is_kept_with_the_error():
    assert ApiUnavailableError("later", retry_after_seconds=90.0).retry_after_seconds == 90.0


def test_without_a_wait_the_delay_of_airflow_stands():
    assert ApiUnavailableError("later").retry_after_seconds is None


def test_a_wait_survives_pickling():
    error = pickle.loads(pickle.dumps(ApiUnavailableError("later", retry_after_seconds=90.0)))
    assert (str(error), error.retry_after_seconds) == ("later", 90.0)


def test_what_a_database_says_of_values_does_not_hang_on_our_error() -> None:
    with pytest.raises(WarehouseError) as caught, without_values():
        raise DatabaseTerminalException(ValueError("SENTINEL-ENTRY"))
    assert caught.value.__context__ is None
    assert "SENTINEL" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("message", "last"),
    [
        ("A gap. Nothing was published. Airflow tries again.", "A gap. Nothing was published."),
        ("Lost. Airflow tries again; check the API.", "Lost. Check the API."),
        ("Held (waited 120 s). End it; Airflow tries again.", "Held (waited 120 s). End it."),
        ("Lost. Airflow tries again; if it stays so, ask. Or not.", "Lost. If it stays so, ask. Or not."),
        ("The form is wrong. Nothing was read.", "The form is wrong. Nothing was read."),
    ],
)
def test_on_the_last_try_no_message_promises_a_further_one(message: str, last: str) -> None:
    assert errors.without_promise(message) == last
