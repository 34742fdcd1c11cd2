"""Airflow 3.3.1 and 3.3.2 refuse to test a connection that has no port; this mends them.

The interface sends 0 for an empty port. The API server takes it for another port than the stored one, and so
for another destination, to which it must not send the stored secret: "The host or port to test differs".
Corrected after 3.3.2 by apache/airflow#73298. Only the API server needs it, and only where it errs.
"""

import logging

logger = logging.getLogger(__name__)


def mend() -> bool:
    """Has 0 count as no port where the stored one is empty; returns whether it had to.

    What tells destinations apart is still Airflow's own function. An Airflow of another shape is left alone.
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
    logger.info("The Test button of connections without a port: mended, see apache/airflow#73298.")
    return True
