"""dac-lobe: the Descript Audio Codec for SpeechBrain, exact on any length and batch.

One room a folder, and imports go down this list only:

    cli         the commands
    inference   trained recipes at work        hf, encodec   other people's interfaces
    nnet        layers and losses of recipes   tokens, data  token stores, corpora
    tokenizer   the SpeechBrain interface, [B, T] <-> [B, F, K]
    dac         DAC: the network with all that follows as methods
    files       audio files <-> packed files
    container   one packed file                audio         audio files <-> waveforms
    weights     checkpoints, names, fetching
    execution   chunks, streams, fast backends
    network     the paper, in torch alone
    disk        files on disk

Names are loaded when they are first used, so importing the package costs nothing:
not torch, not speechbrain, not transformers.

Authors
 * The dac-lobe developers 2026
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dac_lobe import moved as _moved  # noqa: F401

if TYPE_CHECKING:
    from dac_lobe.audio import load_audio as load_audio
    from dac_lobe.audio.loudness import measure_loudness as measure_loudness
    from dac_lobe.container import Packed as Packed
    from dac_lobe.dac import DAC as DAC
    from dac_lobe.execution.devices import check_device as check_device
    from dac_lobe.network.decoder import Decoder as Decoder
    from dac_lobe.network.decoder import DecoderBlock as DecoderBlock
    from dac_lobe.network.encoder import Encoder as Encoder
    from dac_lobe.network.encoder import EncoderBlock as EncoderBlock
    from dac_lobe.network.layers import ResidualUnit as ResidualUnit
    from dac_lobe.network.layers import Snake1d as Snake1d
    from dac_lobe.network.layers import WNConv1d as WNConv1d
    from dac_lobe.network.layers import WNConvTranspose1d as WNConvTranspose1d
    from dac_lobe.network.layers import fold_weight_norm as fold_weight_norm
    from dac_lobe.network.layers import init_weights as init_weights
    from dac_lobe.network.layers import snake as snake
    from dac_lobe.network.quantizer import (
        ResidualVectorQuantize as ResidualVectorQuantize,
    )
    from dac_lobe.network.vector_quantizer import VectorQuantize as VectorQuantize
    from dac_lobe.tokenizer import DACTokenizer as DACTokenizer
    from dac_lobe.weights.fetch import FetchError as FetchError
    from dac_lobe.weights.fetch import download as download

__version__ = "0.2.0"

_HOME = {
    "DAC": "dac_lobe.dac",
    "DACTokenizer": "dac_lobe.tokenizer",
    "Decoder": "dac_lobe.network.decoder",
    "DecoderBlock": "dac_lobe.network.decoder",
    "Encoder": "dac_lobe.network.encoder",
    "EncoderBlock": "dac_lobe.network.encoder",
    "FetchError": "dac_lobe.weights.fetch",
    "Packed": "dac_lobe.container",
    "ResidualUnit": "dac_lobe.network.layers",
    "ResidualVectorQuantize": "dac_lobe.network.quantizer",
    "Snake1d": "dac_lobe.network.layers",
    "VectorQuantize": "dac_lobe.network.vector_quantizer",
    "WNConv1d": "dac_lobe.network.layers",
    "WNConvTranspose1d": "dac_lobe.network.layers",
    "check_device": "dac_lobe.execution.devices",
    "download": "dac_lobe.weights.fetch",
    "fold_weight_norm": "dac_lobe.network.layers",
    "init_weights": "dac_lobe.network.layers",
    "load_audio": "dac_lobe.audio",
    "measure_loudness": "dac_lobe.audio.loudness",
    "snake": "dac_lobe.network.layers",
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
