"""One run of one resource, its stages put together without Airflow."""
