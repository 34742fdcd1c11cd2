"""Stage 3 and 4: the difference into the warehouse, removals, replay."""
