"""Audio files to EnCodec's codes and back: codes packed to bits, scales, lengths.

A packed file is a .safetensors file with two tensors, ``codes`` (packed bits)
and ``scales``, and what they mean as JSON in its header: readable by anything,
executing nothing.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from dac_lobe.audio import AudioReader, Source, write_audio
from dac_lobe.audio.resampling import Resampler, resampled_length
from dac_lobe.container.bits import bits_per_code, pack_bits, packed_size, unpack_bits
from dac_lobe.disk.atomic import replacing
from dac_lobe.encodec.network import EnCodecNetwork

__all__ = ["EnCodecPacked", "decode_file", "encode_file", "weights_digest"]


@dataclass(frozen=True)
class EnCodecPacked:
    """An encoded audio file.

    Attributes
    ----------
    codes : numpy.ndarray
        Shape [N, K, F], N being channels that were coded apart, or 1.
    scales : numpy.ndarray or None
        Shape [N, chunks].
    model : str
        Name of the codec, for people.
    digest : str
        Its weights; see `weights_digest`.
    codebook_size : int
        Codes per codebook.
    sample_rate : int
        Rate of the codec.
    source_rate : int
        Rate of the audio file.
    num_samples : int
        Its length, per channel.
    channels : int
        Its channels: as many as N, or coded together.
    """

    codes: np.ndarray
    scales: np.ndarray | None
    model: str
    digest: str
    codebook_size: int
    sample_rate: int
    source_rate: int
    num_samples: int
    channels: int

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.num_samples / self.source_rate

    @property
    def bitrate(self) -> float:
        """Kilobits per second of codes and scales."""
        bits = self.codes.size * bits_per_code(self.codebook_size)
        bits += 0 if self.scales is None else 32 * self.scales.size
        return bits / self.duration / 1000

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file; it appears when it is complete.

        Arguments
        ---------
        path : str or Path
            Where to write.

        Returns
        -------
        Path
            The path.
        """
        path = Path(path)
        about = {k: v for k, v in asdict(self).items() if k not in ("codes", "scales")}
        about["shape"] = list(self.codes.shape)
        bits = bits_per_code(self.codebook_size)
        packed = pack_bits(self.codes.ravel(), bits)
        scales = self.scales
        if scales is None:
            scales = np.zeros((len(self.codes), 0))
        tensors = {
            "codes": np.frombuffer(packed, np.uint8),
            "scales": scales.astype(np.float32),
        }
        with replacing(path) as file:
            file.write(to_safetensors(tensors, {"encodec": json.dumps(about)}))
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EnCodecPacked:
        """Read a file.

        Arguments
        ---------
        path : str or Path
            What `save` wrote.

        Returns
        -------
        EnCodecPacked

        Raises
        ------
        ValueError
            If it is not such a file, or damaged.
        """
        try:
            with safe_open(path, framework="np") as file:
                about = json.loads((file.metadata() or {})["encodec"])
                packed, scales = file.get_tensor("codes"), file.get_tensor("scales")
            shape = tuple(about.pop("shape"))
            items, books, frames = (int(size) for size in shape)
            count, bits = items * books * frames, bits_per_code(about["codebook_size"])
            if min(shape) < 0 or packed.size != packed_size(count, bits):
                raise ValueError(f"{packed.size} bytes are not {count} codes")
            if scales.ndim != 2 or len(scales) != items:
                raise ValueError(f"scales are {scales.shape}")
            numbers = ("sample_rate", "source_rate", "num_samples", "channels")
            if not all(isinstance(about[n], int) and about[n] > 0 for n in numbers):
                raise ValueError(f"not all of {', '.join(numbers)} are positive")
            codes = unpack_bits(packed.tobytes(), count, bits).reshape(shape)
            return cls(codes, scales if scales.shape[1] else None, **about)
        except (KeyError, OSError, SafetensorError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is not an encoded EnCodec file, or damaged "
                f"({type(error).__name__}: {error})."
            ) from error


def encode_file(
    codec: EnCodecNetwork, path: Source, *, num_codebooks: int | None = None
) -> EnCodecPacked:
    """Encode an audio file of any rate and channel count.

    A stereo file is coded as stereo where the model does so; else each channel
    is an item of its own.

    Arguments
    ---------
    codec : EnCodecNetwork
        The codec.
    path : str or Path
        The audio; it is held in memory, for the 24 kHz model codes it whole.
    num_codebooks : int, optional
        Codebooks to use; all by default.

    Returns
    -------
    EnCodecPacked

    Raises
    ------
    AudioError
        If the audio cannot be read, is empty, or holds NaN or infinite samples.
    ValueError
        If ``num_codebooks`` is out of range.
    """
    with AudioReader(path) as reader:
        rate = reader.sample_rate
        samples = np.concatenate(list(reader.blocks()), axis=1)
    num_samples = samples.shape[1]
    wav = torch.from_numpy(_resampled(samples, rate, codec.sample_rate))
    together = wav.shape[0] == codec.channels > 1
    audio = wav[None] if together else wav[:, None]
    coded = codec.encode(audio.to(codec.device), num_codebooks)
    return EnCodecPacked(
        codes=coded.codes.cpu().numpy().astype(np.uint16),
        scales=None if coded.scales is None else coded.scales.float().cpu().numpy(),
        model=codec.source or f"EnCodec at {codec.sample_rate} Hz",
        digest=weights_digest(codec),
        codebook_size=codec.codebook_size,
        sample_rate=codec.sample_rate,
        source_rate=rate,
        num_samples=num_samples,
        channels=wav.shape[0],
    )


@torch.no_grad()
def decode_file(
    codec: EnCodecNetwork,
    source: EnCodecPacked | str | os.PathLike[str],
    output: str | os.PathLike[str],
) -> Path:
    """Decode into an audio file of the rate, length and channels of the source's.

    Arguments
    ---------
    codec : EnCodecNetwork
        The codec that made the codes.
    source : EnCodecPacked, str or Path
        What to decode.
    output : str or Path
        Where to write; the ending chooses the format.

    Returns
    -------
    Path
        The output.

    Raises
    ------
    ValueError
        If the file is damaged, or another model made it.
    """
    packed = (
        source
        if not isinstance(source, (str, os.PathLike))
        else EnCodecPacked.load(source)
    )
    if packed.digest != weights_digest(codec):
        raise ValueError(
            f"the codes were made by {packed.model!r} ({packed.digest[:12]}), this "
            f"model is {codec.source!r} ({weights_digest(codec)[:12]}). Decode them "
            "with the model that made them."
        )
    length = resampled_length(
        packed.num_samples, packed.source_rate, packed.sample_rate
    )
    codes = torch.from_numpy(packed.codes.astype(np.int64))
    scales = None if packed.scales is None else torch.from_numpy(packed.scales)
    wav = codec.decode_codes(codes, length, scales=scales)
    # Items are channels that were coded apart, or there is one of all channels.
    wav = wav.mean(1) if len(wav) == packed.channels else wav[0]
    samples = wav.float().cpu().numpy()
    samples = _resampled(samples, packed.sample_rate, packed.source_rate)
    return write_audio(output, samples[:, : packed.num_samples], packed.source_rate)


def weights_digest(codec: EnCodecNetwork) -> str:
    """Hash the weights and configuration of an EnCodec: 64 hexadecimal digits."""
    config = {k: v for k, v in codec.config.to_dict().items() if k in _SHAPE}
    sha = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for key, tensor in sorted(codec.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        sha.update(f"\n{key} {list(value.shape)} {value.dtype} ".encode())
        sha.update(value.view(torch.uint8).numpy().tobytes() if value.dim() else b"")
    return sha.hexdigest()


# What decides about codes and samples beside the weights.
_SHAPE = {
    "audio_channels",
    "chunk_length_s",
    "normalize",
    "overlap",
    "pad_mode",
    "sampling_rate",
    "trim_right_ratio",
    "upsampling_ratios",
    "use_causal_conv",
}


def _resampled(wav: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample a whole clip [C, T]."""
    resampler = Resampler(from_rate, to_rate, wav.shape[0])
    return np.concatenate([resampler.push(wav), resampler.flush()], axis=1)
