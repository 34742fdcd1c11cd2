#!/usr/bin/env bash
# Run once by the postgres image, when its volume is empty: Airflow's database and the warehouse, a role each.
set -euo pipefail

psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set airflow_password="$AIRFLOW_DB_PASSWORD" --set warehouse_password="$WAREHOUSE_PASSWORD" <<'SQL'
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;

CREATE ROLE directory_loader LOGIN PASSWORD :'warehouse_password';
CREATE DATABASE warehouse;
REVOKE ALL ON DATABASE warehouse FROM PUBLIC;
-- Its least rights; docs/warehouses.md says what for. A directory's schema it makes and owns itself.
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE warehouse TO directory_loader;
SQL
