"""`python -m directory_sync`, see `airflow/command.py`."""

import logging
import sys

from directory_sync.airflow.command import main

# Where its ignore file is lost, Airflow loads this file as a plugin, by this very name, and it must not run.
if __name__ == "__main__" and __package__:
    # The output is pasted into a Dag file, and Airflow logs into it, such as that it masks no short prefix.
    logging.getLogger("directory_sync").setLevel(logging.WARNING)
    logging.getLogger("airflow.sdk._shared.secrets_masker").setLevel(logging.ERROR)
    sys.exit(main())
