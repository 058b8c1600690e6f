"""Commands that run in the process of a test."""

from tests.support.cli_runner import cli as cli
