"""The browser that draws the pictures in these pages."""

import shutil

from playwright.sync_api import Browser, Playwright

from sweep.errors import SweepError

_FLAGS = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]


def open_browser(playwright: Playwright) -> Browser:
    """Debian's chromium. Raises SweepError where it is not installed."""
    path = shutil.which("chromium")
    if path is None:
        raise SweepError("pictures need a browser to be drawn with: apt-get install chromium.")
    return playwright.chromium.launch(executable_path=path, args=_FLAGS)
