"""One offline HTML file about a study: a function of a store."""

from sweep.report.render import render

__all__ = ["render"]
