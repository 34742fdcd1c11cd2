"""Lets Airflow 3.3.1 and 3.3.2 test a stored connection that has no port.

The UI sends 0 for an empty port. The API server takes 0 for another port than the stored one, so it refuses
to send the stored secret there: "The host or port to test differs". apache/airflow#73298 corrects this after
3.3.2. Only the API server needs the change, and only in a version with the fault.
"""

import logging

logger = logging.getLogger(__name__)


def mend() -> bool:
    """Makes 0 count as no port where the stored port is empty.

    Airflow's own function still compares the destinations. An Airflow without this function, or without the
    fault, is not changed.

    Returns:
        Whether Airflow was changed.
    """
    try:
        from airflow.api_fastapi.core_api.routes.public import connections

        same = connections._same_endpoint  # noqa: SLF001
        errs = (same(0, None), same("", None), same("a", "a"), same("a", "b")) == (False, True, True, False)
    except (ImportError, AttributeError, TypeError):
        return False
    if not errs:
        return False

    def same_endpoint(requested: str | int | None, stored: str | int | None) -> bool:
        return bool(same(requested or None, stored or None))

    connections._same_endpoint = same_endpoint  # noqa: SLF001
    logger.info("The Test button now works for connections without a port, see apache/airflow#73298.")
    return True
