"""The warehouse: the only SQL to its tables, and how each kind is opened, held and written."""
