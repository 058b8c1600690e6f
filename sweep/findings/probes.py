"""What the codes of a study tell of the labels, from the probes of its networks."""

from sweep.analysis.usefulness import Usefulness


def about_codes(found: Usefulness) -> str:
    """Return the verdict on the codes, with its numbers."""
    return f"{found.worth.capitalize()}. {found.because}"
