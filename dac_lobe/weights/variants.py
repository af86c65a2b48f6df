"""Which weights exist: one table, nothing but data and its look-up.

Upstream's names for its weights carry a bitrate that is only a label ("8kbps"
names 6.0, 24.0 and 7.75 kbps alike); the true one is computed here.

Sources: the configurations and release assets of
https://github.com/descriptinc/descript-audio-codec (MIT License).

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["RELEASES", "VARIANTS", "WEIGHT_FILES", "Variant", "find_variant", "variant"]

RELEASES = "https://github.com/descriptinc/descript-audio-codec/releases/download"

# The weights in a folder of transformers, the one to prefer first.
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Variant:
    """One set of weights.

    Attributes
    ----------
    name : str
        What `DAC.from_pretrained` calls it.
    sample_rate : int
        In Hz.
    hop_length : int
        Samples per frame.
    n_codebooks : int
        Number of codebooks K.
    codebook_size : int
        Codes per codebook.
    config : mapping or None
        Constructor arguments of `DAC`; None where the bundled file states them.
    parameters : int or None
        Number of parameters, weight norm included; None for the bundled model.
    delay : int
        Samples by which the raw output is early. For upstream's 16 and 24 kHz
        weights it is *reported* (descript-audio-codec#118), see docs/delay.md.
    model_type, model_bitrate, tag : str
        Upstream's labels for the weights; empty for the bundled model.
    asset : str
        Name of the released file, or of the bundled one.
    hub_id : str or None
        Copy on the Hugging Face hub, in the layout of transformers.

    Example
    -------
    >>> variant("44khz").kbps
    7.751953125
    """

    name: str
    sample_rate: int
    hop_length: int
    n_codebooks: int
    codebook_size: int = 1024
    config: Mapping[str, Any] | None = field(default=None, hash=False)
    parameters: int | None = None
    delay: int = 0
    model_type: str = ""
    model_bitrate: str = ""
    tag: str = ""
    asset: str = ""
    hub_id: str | None = None

    @property
    def bundled(self) -> bool:
        """Whether the weights come with the package."""
        return not self.tag

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz."""
        return self.sample_rate / self.hop_length

    @property
    def kbps(self) -> float:
        """True bitrate of all codebooks: frame_rate * K * log2(codebook_size) / 1000."""
        bits = self.n_codebooks * math.log2(self.codebook_size)
        return self.frame_rate * bits / 1000

    def url_at(self, mirror: str = RELEASES) -> str:
        """Address of the released file at a mirror; the bundled model has none."""
        return f"{mirror.rstrip('/')}/{self.tag}/{self.asset}"

    @property
    def cache_name(self) -> str:
        """File name in the cache, as upstream and SpeechBrain have it."""
        if self.bundled:
            return self.asset
        return f"weights_{self.model_type}_{self.model_bitrate}_{self.tag}.pth"


def _official(
    name: str,
    sample_rate: int,
    encoder_rates: list[int],
    n_codebooks: int,
    latent_dim: int = 1024,
    **row: Any,
) -> Variant:
    """Make the row of an official variant; all share the widths of the paper."""
    config = {
        "encoder_dim": 64,
        "encoder_rates": encoder_rates,
        "latent_dim": latent_dim,
        "decoder_dim": 1536,
        "decoder_rates": encoder_rates[::-1],
        "n_codebooks": n_codebooks,
        "codebook_size": 1024,
        "codebook_dim": 8,
        # Trained with 0.5; upstream's checkpoints all say False.
        "quantizer_dropout": 0.0,
        "sample_rate": sample_rate,
        "delay": row.get("delay", 0),
    }
    return Variant(
        name=name,
        sample_rate=sample_rate,
        hop_length=math.prod(encoder_rates),
        n_codebooks=n_codebooks,
        config=MappingProxyType(config),
        **row,
    )


_ROWS = (
    _official(
        "16khz",
        16000,
        [2, 4, 5, 8],
        12,
        parameters=74_175_906,
        delay=8,
        model_type="16khz",
        model_bitrate="8kbps",
        tag="0.0.5",
        asset="weights_16khz.pth",
        hub_id="descript/dac_16khz",
    ),
    _official(
        "24khz",
        24000,
        [2, 4, 5, 8],
        32,
        parameters=74_708_706,
        delay=8,
        model_type="24khz",
        model_bitrate="8kbps",
        tag="0.0.4",
        asset="weights_24khz.pth",
        hub_id="descript/dac_24khz",
    ),
    _official(
        "44khz",
        44100,
        [2, 4, 8, 8],
        9,
        parameters=76_651_890,
        model_type="44khz",
        model_bitrate="8kbps",
        tag="0.0.1",
        asset="weights.pth",
        hub_id="descript/dac_44khz",
    ),
    _official(
        "44khz-16kbps",
        44100,
        [2, 4, 8, 8],
        18,
        latent_dim=128,
        parameters=64_213_250,
        model_type="44khz",
        model_bitrate="16kbps",
        tag="1.0.0",
        asset="weights_44khz_16kbps.pth",
    ),
    Variant(
        name="16khz-small",
        sample_rate=16000,
        hop_length=320,
        n_codebooks=12,
        asset="16khz-small.safetensors",
    ),
)

VARIANTS: Mapping[str, Variant] = MappingProxyType({row.name: row for row in _ROWS})


def _canonical(name: str) -> str:
    """Reduce a name to what distinguishes it: case, '_', '-' and blanks do not."""
    return re.sub(r"[\s_-]+", "-", name.strip().lower()).removeprefix("dac-")


def find_variant(name: str) -> Variant | None:
    """Return the variant called ``name``, or None.

    Arguments
    ---------
    name : str
        Any spelling: '44khz-16kbps', '44kHz_16kbps', 'dac_16khz'.

    Returns
    -------
    Variant or None

    Example
    -------
    >>> find_variant("44kHz_16kbps").n_codebooks
    18
    >>> find_variant("my_model.pth") is None
    True
    """
    return VARIANTS.get(_canonical(name))


def variant(name: str) -> Variant:
    """Return the variant called ``name``.

    Arguments
    ---------
    name : str
        Case, '_' and '-' do not matter, nor does a leading 'dac'.

    Returns
    -------
    Variant

    Raises
    ------
    ValueError
        If there is none; the message lists those there are.

    Example
    -------
    >>> variant("16khz").kbps
    6.0
    """
    found = find_variant(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(_canonical(name), VARIANTS, n=2)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(
        f"unknown model {name!r}.{meant} Known: {', '.join(VARIANTS)}. "
        "A path (.pth, .safetensors, folder) or a hub id 'org/name' works too."
    )
