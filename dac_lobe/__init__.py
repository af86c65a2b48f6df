"""dac-lobe: the Descript Audio Codec for SpeechBrain, exact on any length and batch.

The way of the data, one module and one verb an arrow:

    audio file --audio--> waveform --dac--> codes --container--> .dac file
                                              |   --tokens-----> token store
    waveform <--dac-- codes <-----------------+

Names are loaded when they are first used, so importing the package costs
nothing: not torch, not speechbrain, not transformers.

Authors
 * The dac-lobe developers 2026
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "DAC": "dac_lobe.dac",
    "DACTokenizer": "dac_lobe.tokenizer",
    "Decoder": "dac_lobe.decoder",
    "DecoderBlock": "dac_lobe.decoder",
    "Encoder": "dac_lobe.encoder",
    "EncoderBlock": "dac_lobe.encoder",
    "Packed": "dac_lobe.container",
    "ResidualUnit": "dac_lobe.layers",
    "ResidualVectorQuantize": "dac_lobe.quantizer",
    "Snake1d": "dac_lobe.layers",
    "VectorQuantize": "dac_lobe.vector_quantizer",
    "WNConv1d": "dac_lobe.layers",
    "WNConvTranspose1d": "dac_lobe.layers",
    "download": "dac_lobe.fetch",
    "init_weights": "dac_lobe.layers",
    "snake": "dac_lobe.layers",
}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'dac_lobe' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
