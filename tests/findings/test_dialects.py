"""One sentence in the dialects of terminal and page."""

import pytest

from sweep.catalogue.formats import number
from sweep.findings.dialects import Piece, in_ascii, pieces


@pytest.mark.parametrize("value", [4.35e-8, 1.0e12, 0.0123])
def test_a_terminal_shows_numbers_as_programs_read_them(value: float) -> None:
    assert in_ascii(number(value, 3)) == f"{value:#.3g}"


def test_a_terminal_has_the_typewriters_quotes() -> None:
    assert in_ascii("the pixels’ entropy – “none”") == 'the pixels\' entropy - "none"'


def test_commands_are_code_on_a_page() -> None:
    assert pieces("Run `sweep ties a --run` first.") == [
        Piece("Run ", is_code=False),
        Piece("sweep ties a --run", is_code=True),
        Piece(" first.", is_code=False),
    ]
