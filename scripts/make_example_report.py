"""Make the worked report that the README shows, and its picture.

    python scripts/make_example_report.py docs/example

evaluates the bundled model on the demo's clips (synthetic voices: a report holds
sound, and no recording of anybody is bundled), and writes ``report.html`` and
``report.png``. Half a minute. The picture is taken with Chromium; without it the
report alone is written. Run it again when the weights or the report change.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from evaluation import evaluate

ROOT = Path(__file__).resolve().parents[1]

__all__ = ["make_report", "photograph"]

CODEBOOKS = (1, 2, 4, 8, 12)
BASELINES = ("opus", "identity", "resample")
# What a reader would type for the same numbers.
COMMAND = (
    "dac-lobe-evaluate demo/clips --model 16khz-small "
    f"--codebooks {','.join(map(str, CODEBOOKS))} --baseline {','.join(BASELINES)} "
    "--output report"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1280, 1332)  # pixels: the head and nine curves
COLOURS = 96


def make_report(output: Path) -> Path:
    """Evaluate, and keep the page.

    Arguments
    ---------
    output : Path
        Folder for ``report.html``.

    Returns
    -------
    Path
        The page.
    """
    with tempfile.TemporaryDirectory() as folder:
        evaluate(
            ROOT / "demo" / "clips",
            ["16khz-small"],
            CODEBOOKS,
            baselines=BASELINES,
            output=folder,
            command=COMMAND,
        )
        output.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(folder) / "report.html", output)
    return output / "report.html"


def photograph(page: Path, browser: str) -> Path:
    """Take a picture of the top of a page, in few colours.

    Arguments
    ---------
    page : Path
        The page.
    browser : str
        Chromium's command.

    Returns
    -------
    Path
        A PNG beside it.
    """
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu",
                "--hide-scrollbars", f"--user-data-dir={folder}/profile",
                f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={shot}",
                page.resolve().as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        picture = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
    target = page.with_suffix(".png")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    return target


def main() -> None:
    """Make both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder, like docs/example")
    page = make_report(parser.parse_args().output.resolve())
    print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("no picture: Chromium is not installed", file=sys.stderr)
        return
    picture = photograph(page, browser)
    print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
