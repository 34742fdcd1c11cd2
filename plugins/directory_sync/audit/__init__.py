"""Stage 2: seals a snapshot, checks it and compares it with the warehouse."""
