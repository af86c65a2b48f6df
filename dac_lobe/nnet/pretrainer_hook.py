"""A codec's weights through SpeechBrain's ``Pretrainer``.

The Pretrainer reads a module's parameters without insisting on any: an official
``.pth``, whose state dict is one level down, would leave a codec random with no
more than a warning, and ``.safetensors`` is no file of torch's. In a YAML:

    pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
       collect_in: !ref <save_folder>
       loadables:
          codec: !ref <codec>
       paths:
          codec: /path/to/weights.pth
       custom_hooks:
          codec: !name:dac_lobe.nnet.pretrainer_hook.transfer_codec

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path

from dac_lobe.dac import DAC
from dac_lobe.weights.checkpoint import read_checkpoint

__all__ = ["transfer_codec"]


def transfer_codec(codec: DAC, path: str | Path) -> None:
    """Load all weights of a codec, or none.

    Arguments
    ---------
    codec : DAC
        Changed in place.
    path : str or Path
        A file of any layout that `dac_lobe.weights.checkpoint` reads, whatever its
        suffix: the Pretrainer calls all files ``.ckpt``.

    Raises
    ------
    ValueError
        If the file is no checkpoint of this architecture, or codes another rate.

    Example
    -------
    >>> from dac_lobe.weights.pretrained import ASSETS
    >>> file = ASSETS / "16khz-small.safetensors"
    >>> codec = DAC(**read_checkpoint(file).config)  # random weights
    >>> transfer_codec(codec, file)
    """
    checkpoint = read_checkpoint(path)
    rate = checkpoint.config.get("sample_rate", codec.sample_rate)
    if rate != codec.sample_rate:
        raise ValueError(
            f"{path} codes {rate} Hz, the codec {codec.sample_rate} Hz. Make the codec "
            f"with sample_rate={rate}, or choose other weights."
        )
    checkpoint.load_into(codec)
