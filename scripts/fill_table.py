"""Put measured numbers into a Markdown file, so that none is typed by hand.

A region is what stands between two comments:

    <!-- table:eval -->
    ...
    <!-- /table -->

Fill it from the summary that `dac-lobe-evaluate` wrote, or from a Markdown file:

    python scripts/fill_table.py docs/16khz-small.md eval out/summary.csv
    python scripts/fill_table.py docs/speed.md speed benchmarks/results/speed.md

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path

__all__ = ["fill", "render_summary"]

# Column of summary.csv, its heading, its format.
COLUMNS = (
    ("system", "system", "{}"),
    ("num_codebooks", "codebooks", "{:.0f}"),
    ("kbps", "kbps", "{:.2f}"),
    ("pesq_wb_mean", "PESQ-WB ↑", "{:.2f}"),
    ("stoi_mean", "STOI ↑", "{:.3f}"),
    ("estoi_mean", "ESTOI ↑", "{:.3f}"),
    ("mel_dac7_mean", "mel distance ↓", "{:.2f}"),
    ("si_sdr_mean", "SI-SDR (dB) ↑", "{:.1f}"),
    ("distillmos_mean", "DistillMOS ↑", "{:.2f}"),
    ("dnsmos_p808_mean", "DNSMOS P.808 ↑", "{:.2f}"),
    ("n_ok", "scored", "{}"),
)


def _cell(value: str, form: str) -> str:
    """Format a cell; what is not a number stays as it is, an empty one is a dash."""
    if not value or value.lower() == "nan":
        return "-"
    return form.format(value if form == "{}" else float(value))


def render_summary(path: Path) -> str:
    """Render a summary.csv as a Markdown table.

    Arguments
    ---------
    path : Path
        The file; columns it lacks are left out.

    Returns
    -------
    str
        The table; ``scored`` is the count of utterances over the total.

    Raises
    ------
    ValueError
        If the file holds no row.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"{path} has no rows; run dac-lobe-evaluate again.")
    columns = [column for column in COLUMNS if column[0] in rows[0]]
    lines = ["| " + " | ".join(heading for _, heading, _ in columns) + " |"]
    lines.append("| " + " | ".join("---" for _ in columns) + " |")
    for row in rows:
        cells = [_cell(row[name], form) for name, _, form in columns]
        if columns[-1][0] == "n_ok":
            cells[-1] += f"/{row['n_total']}"
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def fill(document: str, region: str, content: str) -> str:
    r"""Replace what stands in a region.

    Arguments
    ---------
    document : str
        Markdown with the region's two comments.
    region : str
        Name of the region.
    content : str
        What to put there.

    Returns
    -------
    str
        The new document.

    Raises
    ------
    ValueError
        If the document has not exactly one such region.

    Example
    -------
    >>> fill("a <!-- table:x -->old<!-- /table --> z", "x", "new")
    'a <!-- table:x -->\nnew\n<!-- /table --> z'
    """
    pattern = rf"(<!-- table:{re.escape(region)} -->).*?(<!-- /table -->)"
    new, count = re.subn(
        pattern,
        lambda match: f"{match[1]}\n{content.strip()}\n{match[2]}",
        document,
        flags=re.DOTALL,
    )
    if count != 1:
        raise ValueError(
            f"{count} regions '<!-- table:{region} --> ... <!-- /table -->' found; "
            "exactly 1 is needed."
        )
    return new


def main() -> str | None:
    """Fill one region; return an error or None."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("document", type=Path, help="Markdown file to change")
    parser.add_argument("region", help="name of the region")
    parser.add_argument("source", type=Path, help="summary.csv, or a .md file")
    args = parser.parse_args()
    try:
        if args.source.suffix == ".csv":
            content = render_summary(args.source)
        else:
            content = args.source.read_text(encoding="utf-8")
        document = args.document.read_text(encoding="utf-8")
        args.document.write_text(fill(document, args.region, content), encoding="utf-8")
        print(f"{args.document}: table {args.region!r} is that of {args.source}")
    except (OSError, ValueError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
