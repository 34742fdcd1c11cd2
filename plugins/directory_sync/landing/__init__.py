"""The landing zone: where snapshots are kept, in which files, and how these become durable."""
