"""`make up` and `make down`: the stack of docker-compose.yaml. Needs Docker and Python, nothing installed."""
