"""One sync of one resource, from the API to the warehouse, without Airflow."""

from directory_sync.sync.stages import Sync

__all__ = ["Sync"]
