"""`python -m directory_sync probe URL`: reads a page or two of a list, and writes the form for it."""
