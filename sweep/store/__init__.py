"""The study store: Optuna's tables, written in bulk, and our `sweep_*` tables beside them."""
