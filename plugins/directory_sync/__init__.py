"""A third-party directory API, complete and current in the warehouse, run by Airflow.

The packages are the data flow. An entry goes from `api` through `extract` into `landing`; `audit` proves and
compares it; `publish` takes it into `warehouse`. They stand here in the order in which they build on one
another: a package imports only what stands above it (`pyproject.toml` has the contract).

    about.py        which code runs: its version, where it lies, how it came there
    errors.py       every error, classed by what happens next
    config/         what is synced, and every setting: parsed and validated once
      form.py                     the form of a resource: what to read
      paginator.py, paging.py     how the API pages it: the form, and what each kind means
      paths.py                    JSONPaths of the form that lead to one place
      endpoint.py                 how it is asked for by POST, and which statuses end it
      keys.py, steps.py           the key of its entries; the functions that shape or leave out rows
      parent.py                   a child resource: for whose entries it is read, and what it takes from them
      mode.py                     what a run does: its mode, and what follows from it
      formats.py                  the versions of the formats of landed files and tables
      incremental.py              how it is asked for what changed within an interval
      settings.py, limits.py      switches, and how many entries may be removed unasked
      events.py                   what people are told: the events as data, and their texts
      given.py                    where the switches are given; no unknown name
      connections.py              Airflow connections as plain data
      access.py                   the source connection: where the API is, and who we are there
      token_options.py            how OAuth2 tokens are requested; private_key.py: the key that signs for us
      sign_in.py, key_place.py    how a form says the API signs in; the connection alone holds the secrets
      agreement.py                the sign-in that form and connection name together
      network.py                  the proxy, and our own certificate
      dlt_provider.py             dlt's configuration for our pipelines alone
      directory.py                one directory: form, connections, settings
      urls.py, masking.py         what messages may show of a URL; what is masked in logs
      fields.py                   names and paths of fields
      older_python.py             what newer Pythons bring along and Python 3.10 lacks
      columns.py, kinds.py        the columns of our tables; the kinds of change and of proof
      tables.py, dictionary.py    the tables and views; the data dictionary, which is made from these
      names.py                    the tasks, the tags, the page's parameters
      memory.py                   how much memory DuckDB is given, how large a batch is
      google_key.py               a service account's key, for a bucket or BigQuery
    api/            one request, and one answer
      exchange.py                 one request over the network: redirects, the body, lost connections
      session.py                  how it is connected: TLS, our certificate, the proxy
      transport.py                the request is paced (rate.py) and sent again (waits.py)
      growth.py                   how the rate grows, and what a refusal takes from it
      told_rate.py                paced by what the API says is left (allowance.py)
      client.py                   what is asked of the API, and what a status means
      sign_in.py, oauth.py        signs requests; the token: fetched once, renewed in time
      token_request.py            the request for a token; assertion.py: the JWT that signs it
      answer.py, page.py          the answer: its entries, or what is wrong with it
      decode.py, field_types.py   its JSON, decoded strictly; which fields an entry has
      key_advice.py               which field would do as the key
      envelope.py, next_page.py   what it says besides: totals in headers, whether and where more follows
      shape.py                    what an answer seems to hold, for the Test button
    landing/        one snapshot per run
      zone.py                     the landing zone as a whole: which resources and runs it holds
      few_requests.py             reads files of a bucket with few requests
      snapshot.py, folder.py      one run's folder; how a folder reads and writes its files
      files.py, damage.py         the names and contents of the files; the error for a damaged one
      place.py                    where it is: a folder, or a bucket and what opens it
      durable.py                  files that survive a loss of power
      failures.py                 which failures people were told of
      known_rate.py               the rate that the API let earlier runs in at
      tables.py                   the columns of an entry as landed
      parents.py                  the parents of a child resource, for its shards
    extract/        stage 1: N shard tasks read the directory (stage.py)
      declared.py                 what a parse of the Dag file declares of it: the pipeline, and its source
      windows.py                  offset windows that overlap, several in flight; plan.py: which come next
      reach.py                    how far offsets reach, and where they begin
      children.py                 the lists of a child resource, one for each entry of its parent
      list_threads.py             several of them at once; offset_list.py: one of them
      numbered.py, linked.py      pages by their numbers; pages along the API's own links (links.py)
      progress.py                 how far a shard is, for its log
    warehouse/      all SQL to its tables
      warehouse.py                open and held by one process; loads, and what must hold for that
      syncs.py, entries.py        what is read from `directory_syncs`; from a table and its change log
      views.py, definitions.py    makes the views and the descriptions; the queries of the views
      dialect.py                  what DuckDB and PostgreSQL say otherwise (dialect_duckdb.py, ...)
      record_fields.py            which field of a record each column comes from
      sql.py, outage.py           how a statement is run; an outage told from a refusal
      room.py                     what it has room for
      written.py                  the tables of a publication and their columns, for lineage
      key_columns.py              the columns of a table that hold the key
      destinations/               how each connection type is opened, held and written in one transaction
                                  (postgresql_copy.py: a COPY that keeps empty texts; read_files.py: DuckDB
                                  merges files where they are)
    audit/          stage 2: seals, checks and compares the snapshot (stage.py; job.py: what it works on)
      landed.py, records.py       the landed entries as tables of a DuckDB database; their records
      scratch.py                  the scratch database, and the queries of the seal
      joint.py                    whether two answers overlap like two pieces of one list
      chain.py, border.py         the links between windows; what stands behind the last entry (far.py)
      bridge.py                   reads the gaps between windows, and on to the end
      windows_seal.py             the proof that no entry was missed, for windows
      pages_seal.py, proof.py     the proof for pages; what a proof says
      lists_seal.py, parents.py   the proof for a child's lists; what becomes of entries whose parent has left
      seal.py, manifest.py        chooses the proof, lands what it read; what the manifest says
      found_rate.py               which rate the API let the shards in at
      reread.py, details.py       asks for absent entries again: at their places; one by one
      sealed.py                   a sealed snapshot: its order, its proof, its fields
      compare.py, checks.py       compares with the warehouse; finds errors, holds and warnings
      difference.py               what to add, change and remove (decisions.py: the table of decisions)
      change_rows.py              its change rows (record_diff.py: which fields differ)
      who.py                      names a few of the entries that join, leave and change
      held.py                     the entries that wait for a person, and when to ask
      variants.py                 where the values of a field go whose type has changed
      clocks.py                   refuses snapshots from the future
      report.py                   the report: for people, for XCom, for the asset event
    publish/        stages 3 and 4: writes the difference into the warehouse, idempotent (stage.py)
      load.py                     one publication checked, normalised and loaded through dlt
      header.py                   the sync's row written beforehand, for interrupted publications
      learned.py                  learns which field each column comes from
      publications.py             the number of each publication, and its mark in the landing zone
      rows.py                     the table's rows, made from change rows and checked before a write
      row_key.py                  each row has the key that the API gave
      storable.py, values.py      fits each value to a column that can hold it
      outcomes.py, quarantine.py  entries that the warehouse cannot hold: refused, or set aside
      places.py, hints.py         where dlt puts each value; the form's hints against existing columns
      kept.py                     keeps checked rows for dlt
      staged.py                   stages most rows of a large load past dlt (columnar.py, shapes.py,
                                  row_ids.py)
      logged.py                   change rows from the last logged state of entries
      removals.py, question.py    asks a person; carries out an approved removal
      pattern.py                  what the held entries have in common
      replay.py, branch.py        rebuilds from the landing zone; which branch, after a restore
      retention.py, ownership.py  deletes old folders; marks folders and tables as a directory's
    sync/           the stages of one run put together (stages.py); tasks, tests and the bench call it
      parts.py, outcome.py        what a sync works with; what a stage came to
      reading.py                  what a run reads, and its extract stage
    probe/          reads a page or two of a list and writes its form (probe.py), for the command line
      seen.py, paging.py          what one answer shows; the usual ways to page, tried in turn
    airflow/        the edge to Airflow
      compat.py                   what differs between the Airflows from 3.0 to 3.3
      tasks.py, approval.py       declares the tasks (params.py, retry.py: their parameters and retries)
      failure.py                  why a task failed: the last line of its log, its XComs, the run's note
      decision.py                 the answer on held removals, where Airflow cannot ask a person
      bodies.py                   what each task does: calls one stage of `Sync`
      scope.py                    looks up what a task needs: connections, settings, its run
      found_in.py                 where Airflow found a connection
      lineage.py                  what a run read and wrote, for Airflow's collector and OpenLineage
      options.py                  the switches in Airflow's own configuration
      preload.py                  imports what tasks need in the process that forks them
      idle.py, division.py        skips shards that a small list does not need; how the others divide it
      display.py, notes.py        what the UI shows of a task, and of a run
      landed.py                   reads in the API server what a run landed, for the page
      deadline.py                 the alert when a run is late
      notify.py, telling.py       sends notifications; makes events of what happened
      plugin.py                   what Airflow loads: the page, the notes, the connection type
      hook.py, provider.py        the connection type in the UI, and its Test button
      hook_form.py                its form, for Airflow 3.0 and 3.1
      command.py                  `python -m directory_sync probe`
      empty_port.py               mends that button in Airflow 3.3.1 and 3.3.2
    ui/             the page "Directory"
    dag.py          the Dag of one directory
"""
