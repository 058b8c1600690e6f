"""Offline HTML files about a study, a report or one figure: functions of a store."""

from sweep.report.render import render, render_figure

__all__ = ["render", "render_figure"]
