"""``dac-lobe export``: a trained recipe to a folder for inference.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    run_folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Output folder of a recipe.", show_default=False
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="The codec of the tokens: a name, a path, or a hub id.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Export a trained ASR or TTS recipe for `dac_lobe.inference`."""
    from dac_lobe.inference.export import export_model

    print(export_model(run_folder, output, model))
