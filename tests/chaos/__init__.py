"""Seeded pulls of a directory that changes while it is read: what lasted must be there.

`pulls` draws one pull from a seed and reads it with the extract and the audit's own code, without HTTP;
`plain_dlt` reads the same seed with dlt's offset paginator; `figures` counts; `python -m tests.chaos` makes
thousands of pulls and prints the table.
"""
