"""Trained networks outside of sweep: their files, and the code that loads them elsewhere."""
