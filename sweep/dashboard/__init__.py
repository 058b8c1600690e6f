"""The dashboard: pages about studies in a browser, a function of a store."""

from sweep.dashboard.access import Access
from sweep.dashboard.app import create_app
from sweep.dashboard.serve import serve

__all__ = ["Access", "create_app", "serve"]
