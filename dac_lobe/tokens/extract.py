"""From recordings to a token store, once.

    manifest --plan_shards--> specs --engine--> shards

An engine (`dac_lobe.tokens.engines`) only decides where and when a shard is
made, so the bytes of a store do not depend on the engine, on how many workers
it has, or on whether some of them died.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dac_lobe.dac import DAC
from dac_lobe.data.checks import compare_headers
from dac_lobe.data.headers import warn_of_durations
from dac_lobe.data.manifest import read_manifest
from dac_lobe.execution.devices import check_device
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.tokens.create import create_store
from dac_lobe.tokens.meta import META_FILE, StoreMeta
from dac_lobe.tokens.plan import begun_plan, digest_of_plan, plan_shards
from dac_lobe.tokens.shards import ShardSpec, read_failures, shard_is_done
from dac_lobe.tokens.worker import Job, ShardResult
from dac_lobe.weights.fingerprint import fingerprint

logger = logging.getLogger(__name__)

__all__ = ["ENGINES", "ExtractReport", "extract"]

ENGINES = ("local", "torchrun", "ray")


class ExtractReport(NamedTuple):
    """What an extraction did.

    Attributes
    ----------
    store : Path
        Folder of the store.
    items : int
        Items encoded by this call.
    failures : dict
        Id and reason of items that could not be read, by this call or an earlier one.
    shards : int
        Shards written by this call.
    shards_kept : int
        Shards that were there already.
    audio_seconds : float
        Audio encoded by this call.
    seconds : float
        Time it took.
    """

    store: Path
    items: int
    failures: dict[str, str]
    shards: int
    shards_kept: int
    audio_seconds: float
    seconds: float


@codebooks_by_any_name
def extract(
    manifest: str | Path | Sequence[str | Path],
    store: str | Path,
    model: str | Path = "16khz-small",
    *,
    engine: str = "local",
    workers: int = 1,
    num_codebooks: int | None = None,
    data_root: str | Path | None = None,
    device: str = "cpu",
    backend: str = "torch",
    batch_seconds: float = 0.0,
    shard_hours: float | None = None,
    retry_failed: bool = False,
    strict: bool = False,
    on_shard: Callable[[ShardResult, int, int], None] | None = None,
) -> ExtractReport:
    """Encode the recordings of a manifest into a token store.

    Called again after an interruption, it makes what is missing or damaged.

    Arguments
    ---------
    manifest : str, Path, or sequence of them
        SpeechBrain's CSV or JSON, a folder of audio or of Kaldi, or cuts of Lhotse;
        see `dac_lobe.data.manifest`.
    store : str or Path
        Folder to make.
    model : str or Path
        The codec, as for `DAC.from_pretrained`.
    engine : str
        'local' (processes of this machine), 'torchrun' (this process does its
        rank's share) or 'ray' (Ray Data, here or on a cluster).
    workers : int
        Processes, or Ray actors, that encode. Not used by 'torchrun'.
    num_codebooks : int, optional
        Codebooks to store; all by default.
    data_root : str or Path, optional
        What ``$data_root`` stands for in the manifest.
    device : str
        'cpu', 'cuda' or 'auto'; local workers take turns at the GPUs.
    backend : str
        'torch', or 'native' for the kernel that is built on this machine: faster
        on a CPU, its own rounding. DAC_LOBE_BACKEND overrides it; the store names
        the one that was used.
    batch_seconds : float
        0 encodes items one at a time. On a GPU, a batch of up to this much
        audio (padding included, and masked so that it changes no code).
    shard_hours : float, optional
        Audio in a shard; see `plan_shards`.
    retry_failed : bool
        Whether to try again what could not be read before. A shard in which nothing
        could be read is tried again in any case.
    strict : bool
        Whether to refuse a corpus with recordings that are cut off, which are
        otherwise a warning each.
    on_shard : callable, optional
        Called with each `ShardResult`, the number of shards done, and the number
        of shards to do, for a progress bar.

    Returns
    -------
    ExtractReport
        What was done.

    Raises
    ------
    ValueError
        If an argument is not allowed, the folder holds something else, no item
        could be read, or ``strict`` finds that one is cut off.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> import torch
    >>> from dac_lobe import DAC
    >>> from dac_lobe.audio import write_audio
    >>> codec = DAC(4, [2, 4], None, 16, [4, 2], 2, 16, sample_rate=16000).eval()
    >>> with TemporaryDirectory() as folder:
    ...     model = codec.save(Path(folder) / "tiny.safetensors")
    ...     _ = write_audio(
    ...         Path(folder) / "corpus/a.wav", torch.zeros(999).numpy(), 16000
    ...     )
    ...     report = extract(Path(folder) / "corpus", Path(folder) / "tokens", model)
    >>> report.items, report.failures
    (1, {})
    """
    if engine not in ENGINES:
        raise ValueError(f"engine={engine!r}; choose one of {', '.join(ENGINES)}.")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers={workers!r}; choose 1 or more.")
    if not 0 <= batch_seconds < float("inf"):
        raise ValueError(f"batch_seconds={batch_seconds}; choose 0 or more seconds.")
    started = time.perf_counter()
    recordings = read_manifest(manifest, data_root)
    if strict:
        compare_headers(recordings, durations=False, strict=True)
    shards = plan_shards(recordings, shard_hours)
    begun = begun_plan(store, recordings, shard_hours)
    # A store in which nothing could be read is planned anew: it was most likely the
    # path of the corpus, and all that is without a duration lies in one shard.
    anew = begun is not None and all(
        shard_is_done(store, shard) and _is_to_retry(store, shard, False)
        for shard in begun
    )
    if begun is not None and not anew:
        shards = begun
    place = check_device(device)
    codec = DAC.from_pretrained(model, backend=backend)
    meta = StoreMeta(
        fingerprint=fingerprint(codec, like=_recorded(store)),
        sample_rate=codec.sample_rate,
        hop_length=codec.hop_length,
        num_codebooks=codec.quantizer.check_n_quantizers(
            num_codebooks, "num_codebooks"
        ),
        codebook_size=codec.codebook_size,
        batch_seconds=float(batch_seconds),
        num_items=sum(len(shard.items) for shard in shards),
        num_shards=len(shards),
        manifest=digest_of_plan(shards),
        # What DAC_LOBE_BACKEND says, if it says something.
        backend=codec.backend,
        device=place.type,
    )
    create_store(Path(store), meta, codec, shards, shard_hours, anew)
    job = Job(str(store), str(model), meta, str(place))
    share = _share(engine, shards)
    todo = [
        shard
        for shard in share
        if not shard_is_done(store, shard) or _is_to_retry(store, shard, retry_failed)
    ]
    results = []
    for result in _engine(engine)(job, todo, workers):
        results.append(result)
        if on_shard is not None:
            on_shard(result, len(results), len(todo))
    failures = {
        failure.id: failure.reason
        for shard in share
        for failure in read_failures(store, shard.number)
    }
    items = sum(result.items for result in results)
    odd = [item for result in results for item in result.odd]
    warn_of_durations(odd, items)
    if failures and not items and len(todo) == len(shards):
        name, reason = next(iter(failures.items()))
        raise ValueError(
            f"none of the {len(failures)} items could be read; {name!r}: {reason}. "
            "Is data_root (--data-root) the folder of the corpus?"
        )
    return ExtractReport(
        Path(store),
        items,
        failures,
        len(todo),
        len(share) - len(todo),
        sum(result.audio_seconds for result in results),
        time.perf_counter() - started,
    )


def _recorded(store: str | Path) -> str | None:
    """Fingerprint in a store that is there already."""
    there = (Path(store) / META_FILE).exists()
    return StoreMeta.load(store).fingerprint if there else None


def _is_to_retry(store: str | Path, shard: ShardSpec, retry_failed: bool) -> bool:
    """Tell whether what failed in a shard is to be read again.

    Where everything failed, most likely the path of the corpus was wrong.
    """
    failures = read_failures(store, shard.number)
    return bool(failures) and (retry_failed or len(failures) == len(shard.items))


def _share(engine: str, shards: list[ShardSpec]) -> list[ShardSpec]:
    """Shards that this process answers for."""
    if engine == "torchrun":
        from dac_lobe.tokens.engines.torchrun import place

        rank, world = place()
        return shards[rank::world]
    return shards


def _engine(name: str) -> Callable[[Job, list[ShardSpec], int], Iterator[ShardResult]]:
    """Find an engine by its name."""
    if name == "ray":
        from dac_lobe.tokens.engines.ray_data import run
    elif name == "torchrun":
        from dac_lobe.tokens.engines.torchrun import run
    else:
        from dac_lobe.tokens.engines.local import run
    return run
