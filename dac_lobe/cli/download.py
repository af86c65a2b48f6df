"""``dac-lobe download``: fetch the weights of a model.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import Annotated

import typer

from dac_lobe.cli.options import CacheDir, UsageError

__all__ = ["download"]


def download(
    model: Annotated[
        str,
        typer.Argument(help="A name (16khz, 24khz, 44khz, 44khz-16kbps) or hub id."),
    ],
    cache_dir: CacheDir = None,
) -> None:
    """Fetch the weights of a model, and print the path of the file."""
    from dac_lobe.weights.variants import find_variant

    if find_variant(model) is None and "/" not in model:
        from dac_lobe.weights.variants import variant

        try:
            variant(model)
        except ValueError as error:
            raise UsageError(str(error)) from error
    from dac_lobe.weights.pretrained import find_weights

    print(find_weights(model, cache_dir))
