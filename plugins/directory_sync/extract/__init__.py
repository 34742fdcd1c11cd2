"""Stage 1: reads the directory, shard by shard."""
