"""What a folder deployment needs: Airflow reads this file, and finds the plugin of the package beside it.

Where the package is installed with pip, Airflow finds the plugin by its entry point. A second one of the same
name would be an import error in Airflow's list, so this file then brings none.
"""

import logging

from directory_sync import about

if not about.has_entry_points():
    from directory_sync.airflow.plugin import DirectorySyncPlugin  # noqa: F401  Airflow looks for it here
elif about.not_run():
    logging.getLogger(__name__).warning("%s", about.running())
