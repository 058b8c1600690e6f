"""Start and supervise workers. A launcher handles processes and devices, not trials."""
