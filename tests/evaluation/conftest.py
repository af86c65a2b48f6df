"""Small recordings made on the spot."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

# Worker processes import `toy_systems` by name, as they would a user's module.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def clips(tmp_path):
    """A folder of recordings that a test may change."""
    from toy_recordings import make_clips

    return make_clips(tmp_path / "clips")


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Chromium without a window, without a network; downloads land in ``downloads``."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is missing")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium and chromedriver are not installed")
    folder = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-dev-shm-usage", "--window-size=1440,900", "--mute-audio",
        "--autoplay-policy=no-user-gesture-required",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder / "downloads")}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    chrome = webdriver.Chrome(options=options, service=service)
    chrome.downloads = folder / "downloads"
    yield chrome
    chrome.quit()
