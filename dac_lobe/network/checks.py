"""What may enter the codec: configurations and waveforms, checked.

Each function returns its argument in the form that the network needs, or raises
a ValueError of one line: what was given, what is allowed, what to do.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dac_lobe.network.threads import one_thread

logger = logging.getLogger(__name__)

__all__ = [
    "check_audio",
    "check_config",
    "check_latents",
    "check_level",
    "reconcile",
]

BEYOND, OVERSHOOT = 8.0, 1.2
_warned: list[str] = []

# How a model behaves, not what shape its weights have: what a caller says here
# wins over what a checkpoint says.
_BEHAVIOUR = {"quantizer_dropout", "delay"}


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constructor arguments of a codec, checked and completed.

    Arguments
    ---------
    config : mapping
        Arguments of `DAC`, by name.

    Returns
    -------
    dict
        The same, with lists of its own and ``latent_dim`` computed if it was None.

    Raises
    ------
    ValueError
        If no codec can have these arguments.
    """
    config = dict(config)
    for name in ("encoder_rates", "decoder_rates"):
        rates = config[name] = list(config[name])
        # A stride of 1 would lengthen the signal by one: its kernel of 2 has no middle.
        if not rates or any(not isinstance(r, int) or r < 2 for r in rates):
            raise ValueError(f"{name}={rates}; whole numbers from 2 are needed.")
    encoder_hop = math.prod(config["encoder_rates"])
    decoder_hop = math.prod(config["decoder_rates"])
    if encoder_hop != decoder_hop:
        raise ValueError(
            f"encoder_rates {config['encoder_rates']} multiply to {encoder_hop}, "
            f"decoder_rates {config['decoder_rates']} to {decoder_hop}. They must be "
            "equal."
        )
    if config["latent_dim"] is None:
        config["latent_dim"] = config["encoder_dim"] * 2 ** len(config["encoder_rates"])
    least = {
        "encoder_dim": 1,
        "latent_dim": 1,
        "decoder_dim": 2 ** len(config["decoder_rates"]),
        "n_codebooks": 1,
        "codebook_size": 1,
        "sample_rate": 1,
    }
    for name, minimum in least.items():
        if config[name] < minimum:
            raise ValueError(f"{name}={config[name]}; at least {minimum} is needed.")
    dropout = config["quantizer_dropout"] = float(config["quantizer_dropout"])
    if not 0 <= dropout <= 1:
        raise ValueError(f"quantizer_dropout={dropout} is a share; choose 0 to 1.")
    if not 0 <= config["delay"] < encoder_hop:
        raise ValueError(
            f"delay={config['delay']} samples; choose 0 to {encoder_hop - 1}, less "
            "than a hop."
        )
    if isinstance(config["codebook_dim"], Sequence):
        config["codebook_dim"] = list(config["codebook_dim"])
    return config


def reconcile(
    given: Mapping[str, Any], defaults: Mapping[str, Any], stored: Mapping[str, Any]
) -> dict[str, Any]:
    """Join a caller's arguments with those that a checkpoint was saved with.

    Arguments
    ---------
    given : mapping
        The caller's, by name.
    defaults : mapping
        Values that count as not given.
    stored : mapping
        The checkpoint's. Names that are not in ``given`` are ignored.

    Returns
    -------
    dict
        The checkpoint's, except for behaviour (quantizer dropout, delay) that
        the caller chose.

    Raises
    ------
    ValueError
        If the caller asks for another shape than the checkpoint's.

    Example
    -------
    >>> reconcile({"n_codebooks": 9}, {"n_codebooks": 9}, {"n_codebooks": 12})
    {'n_codebooks': 12}
    """
    joined = dict(given)
    conflicts = []
    for name in given:
        if stored.get(name) is None:
            continue
        mine, default, theirs = (
            _comparable(name, values[name]) for values in (given, defaults, stored)
        )
        if mine != default and name in _BEHAVIOUR:
            continue
        if mine not in (default, theirs):
            conflicts.append(f"{name}={given[name]} but it has {stored[name]}")
        joined[name] = stored[name]
    if conflicts:
        raise ValueError(
            f"the checkpoint is another model: {'; '.join(conflicts)}. Leave these "
            "arguments out to take the checkpoint's."
        )
    return joined


@one_thread()
def check_audio(
    audio: torch.Tensor, dtype: torch.dtype, finite: bool = True
) -> torch.Tensor:
    """Return waveforms as [B, 1, T] in the model's type.

    Arguments
    ---------
    audio : torch.Tensor
        Waveforms of shape [B, 1, T] or [B, T].
    dtype : torch.dtype
        Type of the model's weights.
    finite : bool
        Whether to look for NaN and infinite samples, which on a GPU waits for it.
        `torch.compile` leaves this out: a graph does not depend on values.

    Returns
    -------
    torch.Tensor
        Waveforms of shape [B, 1, T].

    Raises
    ------
    ValueError
        If the shape, the type or a sample is not allowed.

    Example
    -------
    >>> check_audio(torch.zeros(2, 5, dtype=torch.float64), torch.float32).shape
    torch.Size([2, 1, 5])
    """
    if not torch.is_tensor(audio) or audio.dim() not in (2, 3):
        got = tuple(audio.shape) if torch.is_tensor(audio) else type(audio).__name__
        raise ValueError(
            f"audio is {got}; a tensor [B, 1, T] or [B, T] is needed. "
            "A single waveform becomes one by wav[None, None]."
        )
    if audio.dim() == 2:
        audio = audio.unsqueeze(1)
    if audio.shape[1] != 1:
        raise ValueError(
            f"audio {tuple(audio.shape)} has {audio.shape[1]} channels; this codec "
            "is mono. Average them, or code each as an item of the batch."
        )
    if not audio.is_floating_point():
        raise ValueError(
            f"audio is {audio.dtype}; floating point in [-1, 1] is needed. "
            "Divide 16-bit integers by 32768."
        )
    if audio.shape[-1] == 0:
        raise ValueError("audio is empty; at least 1 sample is needed.")
    if finite and not torch.compiler.is_compiling():
        peak = float(audio.detach().abs().amax()) if audio.numel() else 0.0
        if not math.isfinite(peak):
            raise ValueError(
                "audio holds NaN or infinite samples. Clean it before encoding, "
                "for example by torch.nan_to_num."
            )
        check_level(peak, "audio")
    return audio.to(dtype)


def check_level(peak: float, name: str) -> None:
    """Refuse samples beyond all scale; warn once a process of those out of [-1, 1].

    Arguments
    ---------
    peak : float
        The largest absolute sample.
    name : str
        Of the audio, for the message.

    Raises
    ------
    ValueError
        If it is beyond 8.

    Example
    -------
    >>> check_level(32767.0, "audio")
    Traceback (most recent call last):
    ...
    ValueError: audio has samples up to 32767; [-1, 1] is needed. Divide by 32768.
    """
    if peak > BEYOND:
        raise ValueError(
            f"{name} has samples up to {peak:.6g}; [-1, 1] is needed. Divide by 32768."
        )
    # Resamplers and lossy decoders swing over by a tenth and more: not a slip.
    if peak > OVERSHOOT and not _warned:
        _warned.append(name)
        logger.warning(
            "%s has samples up to %.3g; [-1, 1] is what the codec has learned. Scale "
            "it down if that is no accident. This is said once.", name, peak,
        )  # fmt: skip


def _comparable(name: str, value: Any) -> Any:
    """Return a value such that equal ones mean the same."""
    if not isinstance(value, Sequence):
        return value
    if name == "codebook_dim" and len(set(value)) == 1:
        return value[0]
    return list(value)


def check_latents(z: torch.Tensor, channels: int) -> None:
    """Raise a ValueError if these are no latents [B, D, F] of so many channels D."""
    if z.dim() != 3 or z.shape[1] != channels:
        raise ValueError(
            f"latents have shape {tuple(z.shape)}; [B, {channels}, F] is needed. To "
            "decode codes, use decode_codes(codes)."
        )
