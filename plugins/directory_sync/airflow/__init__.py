"""The edge to Airflow: the tasks and what they look up, show and ask."""
