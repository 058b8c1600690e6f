"""Numbers and verdicts from data and finished trials: floors, importances. Imports no torch."""
