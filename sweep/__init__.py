"""Hyperparameter sweeps of small autoencoders, and why their error stops where it stops."""

__version__ = "0.1.0"
