"""`make demo`: the sandbox, a real Airflow, one run of the Dag, and what it did.

    processes      Airflow's commands as processes, ended surely
    airflow_api    Airflow's REST interface: runs, tasks, logs
    local_airflow  Airflow on this machine: SQLite, LocalExecutor, two services
    connection     the connection to the sandbox in Airflow's database, which a person may edit
    history        what the sandbox was told between the runs, so that it can be told again
    progress       a line for each change while a run runs
    warehouse      what the run left in the DuckDB file; compared with what the API holds
    printout       the result, as text

The end-to-end tests start Airflow with the same `LocalAirflow`.
"""
