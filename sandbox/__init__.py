"""A directory API to run against: real records, tokens, faults on demand.

The records are the world's airports (PyPI package `airportsdata`); none is about a person.

    settings   what can be chosen, and by which environment variable
    records    the entries as they are at the start
    ordering   the visible ids, by id and by name
    directory  the list that changes: pages, edits, inserts, removals
    churn      edits made while pages are being read
    faults     which request is answered wrongly, and how
    tokens     the client-credentials grant
    stats      what was asked and what was answered
    service    one running sandbox: all of the above together
    pages      GET /v1/directory
    admin      /admin/*: settings, edits, restore, reset, stats
    app        the FastAPI application
    server     the same in a thread, for tests
"""
