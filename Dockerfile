# Airflow with the pins of this checkout, its Dag and its plugin. `docker-compose.yaml` builds it.
FROM apache/airflow:3.3.2-python3.12 AS airflow

COPY requirements.txt requirements-compose.txt constraints.txt /opt/airflow/pins/
# As the user `airflow`, whom the base image ends with and for whom its pip installs.
RUN pip install --no-cache-dir -c /opt/airflow/pins/constraints.txt \
        -r /opt/airflow/pins/requirements.txt -r /opt/airflow/pins/requirements-compose.txt \
    && mkdir -p /opt/airflow/directory_sync

COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
# Compiled here, once: else every process of every container would do it in memory.
RUN python -m compileall -q /opt/airflow/dags /opt/airflow/plugins


# The directory API to try it with: the same environment, and records of airports.
FROM airflow AS sandbox

COPY requirements-dev.txt /opt/airflow/pins/
RUN grep -E '^airportsdata==' /opt/airflow/pins/requirements-dev.txt > /tmp/records.txt \
    && pip install --no-cache-dir -c /opt/airflow/pins/constraints.txt -r /tmp/records.txt
COPY --chown=airflow:0 sandbox /opt/sandbox/sandbox
WORKDIR /opt/sandbox
ENTRYPOINT ["python", "-m", "sandbox"]
