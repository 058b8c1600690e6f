"""Write offline HTML files about a study, a report or one figure, from a store."""

from sweep.report.render import render, render_figure

__all__ = ["render", "render_figure"]
