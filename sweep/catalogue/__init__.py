"""Define each setting, metric and choice in one record, from which everything else is derived.

``settings`` has what a study file can set, ``choices`` the names that some settings accept,
``metrics`` what is measured, ``columns`` everything that a trial has by name, ``formats`` how
values are written. Validation, docs, axes, tables, exports and ablation groups are derived from
these records. It imports only enums, so that every layer may use it.
"""
