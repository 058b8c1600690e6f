"""Store studies in SQL: Optuna's tables, written in bulk, and our `sweep_*` tables."""
