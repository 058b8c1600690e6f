"""What a study and a trial show: numbers, verdicts, tables and sentences, phrased once.

Terminal, pages, report, JSON and notebook render these records and compute nothing themselves.
A sentence is plain text as a page shows it; commands in it stand between backticks
(``sweep.findings.dialects``). A table's cells have a text and the value behind it
(``sweep.findings.tables``).
"""
