"""Stage 1: reads the directory; each shard is read by a task of its own."""
