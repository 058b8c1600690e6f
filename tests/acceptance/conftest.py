"""A command line to call in the process of a test that kills nothing but workers."""

from tests.support.cli_runner import cli as cli
