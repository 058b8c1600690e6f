"""Findings of a study and a trial: numbers, verdicts, tables and sentences, worded once.

Terminal, pages, report, JSON and notebook render these records and compute nothing themselves. A
sentence is plain text as a page shows it, with commands between backticks
(``sweep.findings.dialects``). A table's cells have a text and the underlying value
(``sweep.findings.tables``).
"""
