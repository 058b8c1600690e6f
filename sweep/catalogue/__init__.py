"""What each setting, metric and choice is: one record each, from which everything else follows.

``settings`` has what a study file can set, ``choices`` the names that some settings take,
``metrics`` what is measured, ``columns`` all that a trial has by name, ``formats`` how values are
written. Validation, docs, axes, tables, exports and ablation groups are derived from these records.
Imports enums alone, so that every layer may use it.
"""
