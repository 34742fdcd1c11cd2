# Airflow with the pins of this checkout, its Dag and its plugin. `docker-compose.yaml` builds it.
FROM apache/airflow:3.3.2-python3.12 AS airflow

COPY requirements.txt requirements-compose.txt constraints.txt /opt/airflow/pins/
# As the user `airflow`, whom the base image ends with and for whom its pip installs.
RUN pip install --no-cache-dir -c /opt/airflow/pins/constraints.txt \
        -r /opt/airflow/pins/requirements.txt -r /opt/airflow/pins/requirements-compose.txt \
    && mkdir -p /opt/airflow/directory_sync

# Owned by root: a task cannot change the code that the next one runs.
COPY dags /opt/airflow/dags
COPY plugins /opt/airflow/plugins
USER root
RUN chmod -R go=rX /opt/airflow/dags /opt/airflow/plugins \
    && python -m compileall -q /opt/airflow/dags /opt/airflow/plugins
USER airflow


# The directory API to try it with: the same environment, and records of airports.
FROM airflow AS sandbox

COPY requirements-dev.txt /opt/airflow/pins/
RUN grep -E '^airportsdata==' /opt/airflow/pins/requirements-dev.txt > /tmp/records.txt \
    && pip install --no-cache-dir -c /opt/airflow/pins/constraints.txt -r /tmp/records.txt
COPY sandbox /opt/sandbox/sandbox
WORKDIR /opt/sandbox
ENTRYPOINT ["python", "-m", "sandbox"]
