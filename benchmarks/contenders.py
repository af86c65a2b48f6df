"""The implementations that are measured, each as two functions.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch

from dac_lobe import DAC

__all__ = ["CONTENDERS", "OURS", "REFERENCE", "Codec", "load", "prepare"]


class Codec(NamedTuple):
    """A loaded implementation.

    Attributes
    ----------
    encode : callable
        Waveform [1, 1, T] to codes [1, K, F] and quantized latents [1, D, F].
    decode : callable
        Quantized latents to waveform.
    note : str
        What there is to say about it.
    """

    encode: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    decode: Callable[[torch.Tensor], torch.Tensor]
    note: str = ""


class MissingError(ImportError):
    """An implementation that is not installed."""


def prepare(codec: DAC, folder: Path) -> None:
    """Write the weights as each implementation reads them.

    Arguments
    ---------
    codec : DAC
        The codec.
    folder : Path
        Where to write.
    """
    codec.save(folder / "weights.pth")
    codec.save(folder / "weights.safetensors")
    codec.save(folder / "transformers")


def load(name: str, folder: Path) -> Codec:
    """Load an implementation.

    Arguments
    ---------
    name : str
        One of `CONTENDERS`.
    folder : Path
        Where `prepare` wrote the weights.

    Returns
    -------
    Codec

    Raises
    ------
    MissingError
        If it is not installed.
    """
    return CONTENDERS[name](folder)


def _speechbrain(folder: Path) -> Codec:
    if find_spec("speechbrain") is None:
        raise MissingError("speechbrain is not installed")
    from speechbrain.lobes.models.discrete.dac import DAC as Lobe

    model = Lobe(load_path=folder / "weights.pth", load_pretrained=True).eval()
    return Codec(lambda wav: model.encode(wav)[1::-1], lambda z: model.decode(z))


def _official(folder: Path) -> Codec:
    if find_spec("dac") is None or find_spec("audiotools") is None:
        raise MissingError("descript-audio-codec is not installed")
    import dac

    model = dac.DAC.load(folder / "weights.pth").eval()
    return Codec(lambda wav: model.encode(wav)[1::-1], lambda z: model.decode(z))


def _transformers(folder: Path) -> Codec:
    if find_spec("transformers") is None:
        raise MissingError("transformers is not installed")
    from transformers import DacModel

    model = DacModel.from_pretrained(folder / "transformers").eval()

    def encode(wav: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        encoded = model.encode(wav)
        return encoded.audio_codes, encoded.quantized_representation

    return Codec(encode, lambda z: model.decode(z).audio_values[:, None])


def _ours(folder: Path, **options: object) -> Codec:
    try:
        model = DAC.from_pretrained(folder / "weights.safetensors", **options)
    except ValueError as error:
        raise MissingError(str(error)) from error
    encode = lambda wav: model.encode(wav)[1::-1]  # noqa: E731
    return Codec(encode, lambda z: model.decode(z), repr(model.executor))


REFERENCE = "SpeechBrain lobe"
OURS = "dac-lobe, native"
CONTENDERS: dict[str, Callable[[Path], Codec]] = {
    REFERENCE: _speechbrain,
    "official package": _official,
    "transformers": _transformers,
    "dac-lobe, torch": lambda folder: _ours(folder, backend="torch"),
    OURS: lambda folder: _ours(folder, backend="native"),
}
