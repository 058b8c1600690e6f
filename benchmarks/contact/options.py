"""Options that every stage's process takes."""

import argparse
from pathlib import Path


def stage_parser(doc: str | None) -> argparse.ArgumentParser:
    """Make a parser with ``--json FILE``, ``--smoke`` and a docstring's first line."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="append each result to this file")
    parser.add_argument("--smoke", action="store_true", help="tiny, on the CPU; times mean nothing")
    return parser
