"""Measure what an epoch of token ASR costs, with and without the codec in it.

    python benchmarks/asr_epoch.py TOKEN_STORE DATA_FOLDER

Two ways to train the same recogniser (recipes/asr, an4_tiny) on the same batches:

* from the store: tokens are read, extracted once before;
* codec inside the step, as SpeechBrain's discrete-audio benchmark has it: each
  batch of waveforms is padded and encoded, every epoch anew.

Batches of both are run in turn, so that whatever else the machine does meets
both. Time is that of the process's own threads (CPU seconds) and of the clock.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from hyperpyyaml import load_hyperpyyaml  # noqa: E402

from benchmarks.weights import make_codec  # noqa: E402
from dac_lobe import DAC, DACTokenizer  # noqa: E402
from dac_lobe.audio import read_audio  # noqa: E402
from dac_lobe.tokens import TokenStore  # noqa: E402
from dac_lobe.weights.variants import VARIANTS  # noqa: E402
from scripts.fill_table import fill  # noqa: E402

YAML = ROOT / "recipes" / "asr" / "hparams" / "an4_tiny.yaml"
BATCH = 16


class Batch(NamedTuple):
    """Items of similar length, as both ways need them."""

    ids: list[str]
    wavs: torch.Tensor
    lengths: torch.Tensor
    seconds: float


class Cost(NamedTuple):
    """What one training step takes."""

    cpu: float
    clock: float


def make_batches(store: TokenStore, folder: Path, count: int) -> list[Batch]:
    """Draw batches of neighbours in length, evenly over the corpus."""
    with open(folder / "train.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["ID"] in store]
    rows.sort(key=lambda row: float(row["duration"]))
    groups = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    step = max(1, len(groups) // count)
    batches = []
    for group in groups[step // 2 :: step][:count]:
        paths = [row["wav"].replace("$data_root", str(folder)) for row in group]
        rate = store.meta.sample_rate
        wavs = [torch.from_numpy(read_audio(path, rate).mean(0)) for path in paths]
        samples = torch.tensor([len(wav) for wav in wavs])
        padded = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True)
        seconds = float(samples.sum()) / rate
        ids = [row["ID"] for row in group]
        batches.append(Batch(ids, padded, samples / padded.shape[1], seconds))
    return batches


def make_step(store_folder: str, num_codebooks: int) -> Callable:
    """Make a function that trains on tokens; the model is that of the recipe."""
    hparams = load_hyperpyyaml(
        YAML.read_text(),
        {
            "data_folder": "unused",
            "token_folder": store_folder,
            "num_codebooks": num_codebooks,
            "output_folder": "unused",
            "train_logger": None,
            "checkpointer": None,
        },
    )
    modules = hparams["modules"]
    optimizer = hparams["opt_class"](hparams["model"].parameters())

    def step(tokens: torch.Tensor, lengths: torch.Tensor) -> None:
        features = modules["frontend"](tokens, lengths)
        logits = modules["output"](modules["encoder"](features, lengths))
        chars = torch.randint(1, 28, (len(tokens), 12))
        loss = hparams["ctc_cost"](
            logits.log_softmax(-1), chars, lengths, torch.ones(len(tokens))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def timed(work: Callable[[], None]) -> Cost:
    """Measure one call."""
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - clock)


def measure(
    batches: list[Batch],
    store: TokenStore,
    tokenizer: DACTokenizer,
    step: Callable,
    rounds: int,
) -> dict[str, Cost]:
    """Run both ways in turn; return their cost for one second of audio."""

    def from_store(batch: Batch) -> None:
        tokens = [store[name] for name in batch.ids]
        padded = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
        frames = torch.tensor([len(item) for item in tokens])
        step(padded, frames / padded.shape[1])

    def codec_inside(batch: Batch) -> None:
        step(tokenizer.sig_to_tokens(batch.wavs, batch.lengths), batch.lengths)

    ways = {"store": from_store, "codec inside": codec_inside}
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    for work in ways.values():  # warm up
        work(batches[0])
    for batch in rounds * batches:
        for way, work in ways.items():
            cost = timed(lambda work=work, batch=batch: work(batch))
            costs[way].append(Cost(*(x / batch.seconds for x in cost)))
    return {
        way: Cost(*(statistics.median(values) for values in zip(*found, strict=True)))
        for way, found in costs.items()
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", help="tokens of the corpus, by 16khz-small")
    parser.add_argument("data_folder", type=Path, help="folder with train.csv")
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path, help="document with the region 'epoch'")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    store = TokenStore(options.store)
    batches = make_batches(store, options.data_folder, options.batches)
    full = make_codec(VARIANTS["16khz"].config, batches[0].wavs[:1, None, :32000])
    codecs = {"16khz-small": DAC.from_pretrained("16khz-small"), "16khz": full}
    step = make_step(options.store, store.num_codebooks)
    lines = [
        "| codec | way | CPU s for an hour of audio | clock s | times the store |",
        "|---|---|---|---|---|",
    ]
    for name, codec in codecs.items():
        tokenizer = DACTokenizer(codec, num_codebooks=store.num_codebooks)
        found = measure(batches, store, tokenizer, step, options.rounds)
        for way, cost in found.items():
            ratio = cost.cpu / found["store"].cpu
            lines.append(
                f"| {name} | {way} | {3600 * cost.cpu:.0f} | "
                f"{3600 * cost.clock:.0f} | {ratio:.1f} |"
            )
    print("\n".join(lines))
    if options.write:
        document = options.write.read_text(encoding="utf-8")
        document = fill(document, "epoch", "\n".join(lines))
        options.write.write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main()
