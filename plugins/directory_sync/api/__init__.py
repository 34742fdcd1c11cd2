"""One request to the API and one answer of it."""
