"""The stack of docker-compose.yaml, for real: `make test-compose`."""
