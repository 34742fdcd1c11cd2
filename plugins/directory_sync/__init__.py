"""A third-party directory API, complete and current in the warehouse, run by Airflow.

How an entry travels, and where to read about it, in this order:

    resources.py                what is synced, as data
    form.py, settings.py        the data, parsed and validated once (paging_form.py: how the API pages)
    connections.py              Airflow connections as plain data
    secrets.py                  Airflow connections answer dlt's look-ups

    extract.py                  stage 1: N shard tasks read the directory
      pagination.py               offset windows that overlap, several in flight
      walks.py, links.py          pages by their numbers; pages along the API's own links
      client.py                   one request: token (oauth.py), rate (rate.py), retries
      waits.py                    how long it waits before the next try
      urls.py, masking.py         what messages may show of a URL; what is masked in logs
      envelope.py                 one answer: its entries, or what is wrong with it
      fields.py                   names and paths of fields: what is shown, where a path leads
      columns.py                  the columns it lands
      progress.py                 how far a reader has come, for its log
    landing.py                  the landed snapshot: files, manifest, retention
      durable.py                  files that survive a loss of power
      ownership.py                whose a folder, and a table, is
      retention.py                how long folders are kept
      buckets.py                  where it is: a folder, or a bucket and what opens it
      google_key.py               a service account's key, for a bucket or BigQuery

    audit.py                    stage 2: seals the snapshot, checks it, compares it (job.py: what it works on)
      manifest.py                 sealed, and said so
      chain.py                    what links its windows
      border.py                   what stands behind the last of them
      seal.py                     the proof that nobody was missed
      walk_seal.py                what takes its place where pages cannot overlap
      snapshot.py                 the landed entries as a DuckDB query
      compare.py                  with the warehouse: what is suspicious, what waits
      reread.py                   the places of absent entries, once more
      checks.py                   what is an error, a hold or a warning
      details.py                  absent entries asked for one by one, with a control
      difference.py               what to add, change and remove
      decisions.py                the table that says so
      limits.py                   how many may leave unasked
      held.py                     the entries that wait for a person, and when to ask
      report.py                   the outcome: for people, for XCom, for the asset event

    publish.py                  stage 3: the difference into the warehouse, safe to run twice
      publications.py             their order, and the mark of each (clocks.py: what clocks may say)
      rows.py                     the table's rows, made of change rows and checked before a write
      storable.py                 what the warehouse cannot hold: moved beside its column, or named
      places.py                   where dlt puts each value (hints.py: the form's hints against what stands)
      kept.py                     checked rows on their way to dlt
      quarantine.py               entries that cannot be stored: refused, or set aside
      logged.py                   change rows of entries as they were logged last
      columnar.py                 most of a large load past dlt's normaliser, column by column
      warehouse.py                the only module that speaks SQL to its tables
        room.py                     what it has room for
        destinations/               how each connection type is opened, held and written in one transaction
    removals.py                 stage 4: what a person approved (question.py: what is shown and answered)
    replay.py                   all of it again from the landing zone (branch.py: what of it, after a restore)

    dag.py, directories.py      the Dag of one directory
    tasks.py, approval.py       its tasks, as declared (params.py, retry.py: what holds for them)
    stages.py                   what each task does
    scope.py                    what a running task looks up: connections, settings, the run
    display.py, run_note.py     what the UI shows of a task, and of a run
    deadline.py                 the alert when a run is late
    hook.py, provider.py        the connection type in the UI, and its Test button
    empty_port.py               what that button needs in Airflow 3.3.1 and 3.3.2
    page/                       the page "Directory" in the UI

    memory.py                   how much memory DuckDB is given, how large a batch is
    errors.py                   every error, classed by what happens next
"""
