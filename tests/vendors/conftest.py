"""dlt must be quiet before its first use."""

from directory_sync.config.dlt_provider import quiet_dlt

quiet_dlt()
