"""The landing zone: where snapshots lie, as what, and how they get durable."""
