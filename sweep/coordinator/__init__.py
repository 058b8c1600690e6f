"""Run a study: the loop that asks, dispatches, receives, prunes, tells and writes.

One per study.
"""
