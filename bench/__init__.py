"""What `make bench` runs: this package beside dlt's own configurations and a floor, on one machine, in turn.

    server         the API of the bench: pages made beforehand, in a process of its own
    measure        a process, and what it took
    seed           the seed's configuration by dlt: with its defaults, tuned, and in fixed ranges at once
    ours           this package's stages, each in the process it has under Airflow
    peers          Airbyte's CDK and Singer's SDK, in environments of their own
    floor          what asyncio and DuckDB need for the same list
    work           the entry point of all these processes
    contenders     who is measured, and whether their tables are right
    airflow_runs   the same under a real Airflow
    waits          what of a run under Airflow is work, and what waits for the scheduler
    rates          how much of the API's allowance is used
    parse          what parsing the Dag file costs
    bucket         the landing zone in a bucket, beside a folder
    scale          a million entries, into DuckDB and PostgreSQL
    figures        medians, ranges, ratios, tables
    outcome        all that was measured, in a file after each measurement
    report         the tables once more
    chart          the picture for the README

Only ratios mean anything: all contenders run on the same machine, against the same server, in turn.
"""
