"""Compute numbers and verdicts from data and finished trials. Imports no torch."""
