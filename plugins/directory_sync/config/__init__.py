"""The configuration: which directories are synced, and every setting. It is parsed and validated once."""
