"""The client of the directory API: sends a request and returns the parsed answer."""
