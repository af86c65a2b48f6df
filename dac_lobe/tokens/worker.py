"""What a worker does with a shard: decode its recordings, encode them, write it.

    spec --load_shard--> waveforms --encode_shard--> files

Both are pure functions of the recordings and the codec. The arithmetic is that
of one thread: with more, sums are ordered otherwise and near ties between codes
fall the other way.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from dac_lobe.audio import AudioError, read_audio
from dac_lobe.dac import DAC
from dac_lobe.data.headers import OddDuration, far_off
from dac_lobe.execution.cuda import float32_products
from dac_lobe.files.encoding import BLOCK_SECONDS
from dac_lobe.tokens.meta import StoreMeta
from dac_lobe.tokens.shards import EncodedItem, Failure, ShardSpec, write_shard
from dac_lobe.weights.fingerprint import fingerprint

logger = logging.getLogger(__name__)

__all__ = [
    "Job",
    "LoadedShard",
    "ShardResult",
    "encode_shard",
    "extract_shard",
    "load_codec",
    "load_shard",
]


@dataclass(frozen=True)
class Job:
    """What a worker needs to know besides its shard.

    Attributes
    ----------
    store : str
        Folder of the store.
    model : str
        Name or path of the codec, readable where the worker runs.
    meta : StoreMeta
        What the store is to be.
    device : str
        Where to encode.
    """

    store: str
    model: str
    meta: StoreMeta
    device: str = "cpu"


class LoadedShard(NamedTuple):
    """The decoded recordings of a shard.

    Attributes
    ----------
    number : int
        Of the shard.
    ids : list of str
        Items that could be read.
    wavs : list of np.ndarray
        Their samples at the codec's rate, float32 of shape [T].
    failures : list of Failure
        Items that could not.
    odd : list of OddDuration
        Items whose duration is not the manifest's.
    """

    number: int
    ids: list[str]
    wavs: list[np.ndarray]
    failures: list[Failure]
    odd: list[OddDuration]


class ShardResult(NamedTuple):
    """What was done for a shard.

    Attributes
    ----------
    number : int
        Of the shard.
    items : int
        Items encoded.
    failures : list of Failure
        Items that could not be read.
    audio_seconds : float
        Audio encoded.
    odd : list of OddDuration
        Items whose duration is not the manifest's.
    """

    number: int
    items: int
    failures: list[Failure]
    audio_seconds: float
    odd: list[OddDuration]


def load_codec(job: Job) -> DAC:
    """Load a job's codec, and make sure that it is the one of the store.

    Arguments
    ---------
    job : Job
        The job.

    Returns
    -------
    DAC
        The codec, in eval mode, on the job's device.

    Raises
    ------
    ValueError
        If the weights here are not those that the store was begun with.
    """
    backend = job.meta.backend
    codec = DAC.from_pretrained(job.model, device=job.device, backend=backend)
    if codec.backend != backend:
        raise ValueError(
            f"the store {job.store} is made with backend={backend!r}, but "
            f"DAC_LOBE_BACKEND says {codec.backend!r}. Unset it for the extraction."
        )
    found = fingerprint(codec, like=job.meta.fingerprint)
    if found != job.meta.fingerprint:
        raise ValueError(
            f"{job.model!r} is the codec {found[:12]} here, the store {job.store} is "
            f"made by {job.meta.fingerprint[:12]}. Give all workers the same weights."
        )
    return codec


def load_shard(spec: ShardSpec, sample_rate: int) -> LoadedShard:
    """Decode, mix to mono and resample the recordings of a shard.

    Arguments
    ---------
    spec : ShardSpec
        Its items.
    sample_rate : int
        The codec's rate in Hz.

    Returns
    -------
    LoadedShard
        The waveforms, and what could not be read.
    """
    loaded = LoadedShard(spec.number, [], [], [], [])
    for item in spec.items:
        try:
            wav = read_audio(item.wav, sample_rate, item.segment)
            wav = wav.mean(axis=0, dtype=np.float32)
        except FileNotFoundError:
            reason = "no such file"
        except AudioError as error:
            # Without the path: the store is the same wherever the corpus lies.
            reason = " ".join(str(error).replace(item.wav, "the file").split())
        except IsADirectoryError:
            reason = "it is a folder"
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
        else:
            loaded.ids.append(item.id)
            loaded.wavs.append(wav)
            seconds = len(wav) / sample_rate
            if far_off(item.duration, seconds):
                loaded.odd.append(OddDuration(item.id, item.duration, seconds))
            continue
        logger.warning("%s (%s) is left out: %s", item.id, item.wav, reason)
        loaded.failures.append(Failure(item.id, reason))
    return loaded


def encode_shard(job: Job, loaded: LoadedShard, codec: DAC) -> ShardResult:
    """Encode the recordings of a shard and write it.

    Arguments
    ---------
    job : Job
        The job.
    loaded : LoadedShard
        The waveforms.
    codec : DAC
        The codec of `load_codec`.

    Returns
    -------
    ShardResult
        What was done.
    """
    meta = job.meta
    with _reproducible():
        codes = _encode(codec, loaded.wavs, meta)
    encoded = [
        EncodedItem(name, code, len(wav))
        for name, code, wav in zip(loaded.ids, codes, loaded.wavs, strict=True)
    ]
    write_shard(job.store, loaded.number, encoded, loaded.failures, meta.num_codebooks)
    samples = sum(item.samples for item in encoded)
    return ShardResult(
        loaded.number,
        len(encoded),
        loaded.failures,
        samples / meta.sample_rate,
        loaded.odd,
    )


def extract_shard(job: Job, spec: ShardSpec, codec: DAC) -> ShardResult:
    """Make one shard: `load_shard`, then `encode_shard`."""
    return encode_shard(job, load_shard(spec, job.meta.sample_rate), codec)


@contextmanager
def _reproducible() -> Iterator[None]:
    """One thread, and float32 that is float32: what the codes may depend on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with float32_products(exact=True):
            yield
    finally:
        torch.set_num_threads(threads)


def _encode(codec: DAC, wavs: list[np.ndarray], meta: StoreMeta) -> list[np.ndarray]:
    """Codes [F, K] of each waveform."""
    chunk_frames = max(1, round(BLOCK_SECONDS * meta.frame_rate))
    codes: dict[int, np.ndarray] = {}
    for batch in _batches([len(wav) for wav in wavs], meta):
        if len(batch) == 1:
            wav = torch.from_numpy(wavs[batch[0]])[None]
            found = codec.encode_chunked(wav, chunk_frames, meta.num_codebooks)
            frames = [found.shape[-1]]
        else:
            lengths = torch.tensor([len(wavs[item]) for item in batch])
            padded = torch.zeros(len(batch), int(lengths.max()))
            for row, item in enumerate(batch):
                padded[row, : len(wavs[item])] = torch.from_numpy(wavs[item])
            with torch.no_grad():
                found = codec.encode(
                    padded.to(codec.device), meta.num_codebooks, lengths=lengths
                ).codes
            frames = (-(-lengths // codec.hop_length)).tolist()
        rows = found.transpose(1, 2).to("cpu", torch.int32).numpy()
        for row, item in enumerate(batch):
            codes[item] = rows[row, : frames[row]].astype(np.uint16)
    return [codes[item] for item in range(len(wavs))]


def _batches(samples: list[int], meta: StoreMeta) -> Iterator[list[int]]:
    """Items of similar length, together at most ``batch_seconds`` with padding."""
    limit = meta.batch_seconds * meta.sample_rate
    batch: list[int] = []
    for item in sorted(range(len(samples)), key=lambda item: samples[item]):
        # Sorted, so the newest is the longest and sets the padded length.
        if batch and samples[item] * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
