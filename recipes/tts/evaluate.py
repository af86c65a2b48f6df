#!/usr/bin/env python3
"""Judge synthesised speech with a recogniser of waveforms, and nothing to download.

Four rows, so that a number can be read: the recordings themselves (what the
judge can hear), the recordings through the codec (the best that tokens can be),
the model, and the model given the text of another sentence (what a judge's
guess is worth; the model is only as good as its distance from this).
``report.html`` in the output folder plays every sentence of every row.

> python evaluate.py TTS_FOLDER JUDGE_FOLDER --manifest results/.../test.csv \
    --data_folder /path/to/an4 --output_folder report

Both folders are made by `dac-lobe export`. The judge is recipes/asr trained on
filterbanks of the training sentences of the same split.

Authors
 * The dac-lobe developers 2026
"""

import argparse
import json
import math
from pathlib import Path
from typing import NamedTuple

import torch
from mcd import mel_cepstral_distortion
from page import write_page
from speechbrain.utils.edit_distance import accumulatable_wer_stats
from tqdm import tqdm

from dac_lobe.audio import read_audio, write_audio
from dac_lobe.data import normalise, read_manifest
from dac_lobe.inference import TokenASR, TokenTTS
from dac_lobe.nnet.utterances import Utterance, file_stem, write_utterances
from evaluation.results.statistics import interval

ROWS = ("ground truth", "resynthesis", "model", "shuffled text")


class Spoken(NamedTuple):
    """A waveform of a row, and whether the model stopped by itself."""

    wav: torch.Tensor
    stopped: bool


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tts", help="exported TTS")
    parser.add_argument("judge", help="exported ASR that hears waveforms")
    parser.add_argument("--manifest", required=True, help="held-out sentences, CSV")
    parser.add_argument("--data_folder", help="what $data_root stands for")
    parser.add_argument("--output_folder", required=True)
    parser.add_argument("--limit", type=int, help="judge this many sentences")
    parser.add_argument("--seed", type=int, default=1986)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top_k", type=int, default=20)
    parser.add_argument("--guidance_scale", type=float, default=3.0)
    parser.add_argument("--batch_size", type=int, default=16)
    return parser.parse_args()


def load(tts, judge):
    """Load both models; raise a ValueError if one cannot hear the other.

    From where they are: in a folder for copies SpeechBrain would keep to the first.
    """
    tts, judge = TokenTTS.from_hparams(source=tts), TokenASR.from_hparams(source=judge)
    rate = tts.hparams.sample_rate
    if judge.hparams.input == "tokens" or judge.hparams.sample_rate != rate:
        raise ValueError(
            f"the judge hears {judge.hparams.input} at {judge.hparams.sample_rate} Hz; "
            f"waveforms at {rate} Hz are needed: train recipes/asr on filterbanks."
        )
    return tts, judge


def say(tts, texts, speakers, options):
    """Synthesise sentences, in batches."""
    spoken = []
    for start in tqdm(range(0, len(texts), options.batch_size)):
        part = slice(start, start + options.batch_size)
        made = tts.synthesize_batch(
            texts[part],
            speakers[part],
            seed=options.seed + start,
            temperature=options.temperature,
            top_k=options.top_k,
            guidance_scale=options.guidance_scale,
        )
        spoken += map(Spoken, made.wavs, made.stopped)
    return spoken


def make_rows(tts, items, recordings, options):
    """Make the waveforms of all four rows."""
    texts = [normalise(item.fields["wrd"]) for item in items]
    speakers = [item.fields["spk_id"] for item in items]
    # Each sentence gets the next one's text; the order is that of the ids, which
    # says nothing about what is said.
    others = texts[1:] + texts[:1]
    codec, codebooks = tts.codec, tts.hparams.num_codebooks
    resynthesis = [
        codec.decode_chunked(
            codec.encode_chunked(wav[None, None], num_codebooks=codebooks),
            length=len(wav),
        )[0, 0]
        for wav in tqdm(recordings)
    ]
    return {
        "ground truth": [Spoken(wav, True) for wav in recordings],
        "resynthesis": [Spoken(wav, True) for wav in resynthesis],
        "model": say(tts, texts, speakers, options),
        "shuffled text": say(tts, others, speakers, options),
    }


def errors(reference, heard):
    """Edits and length of the reference, in its own units."""
    stats = accumulatable_wer_stats([reference], [heard])
    edits = stats["insertions"] + stats["deletions"] + stats["substitutions"]
    return edits, stats["num_ref_tokens"]


def judge_row(judge, items, recordings, spoken, seed, label):
    """Score the waveforms of a row; return its summary and a line for each item."""
    rate = judge.hparams.sample_rate
    lines = []
    for item, recording, (wav, stopped) in zip(items, recordings, spoken, strict=True):
        text = normalise(item.fields["wrd"], punctuation=False)
        # What is too short to hold a word says nothing.
        heard = judge.transcribe_batch(wav[None])[0] if len(wav) > 0.1 * rate else ""
        edits, chars = errors(list(text), list(heard))
        word_edits, words = errors(text.split(), heard.split())
        lines.append(
            {
                "ID": item.id,
                "speaker": item.fields["spk_id"],
                "text": text,
                "heard": heard,
                "cer": 100 * edits / chars,
                "wer": 100 * word_edits / words,
                "char_errors": edits,
                "chars": chars,
                "word_errors": word_edits,
                "words": words,
                "mcd": mel_cepstral_distortion(recording, wav, rate),
                "duration_ratio": len(wav) / len(recording),
                "stopped": stopped,
            }
        )

    def mean(key, weight=None):
        found = [line for line in lines if not math.isnan(line[key])]
        result = interval(
            [line[key] for line in found],
            [line["speaker"] for line in found],
            [line[weight] for line in found] if weight else None,
            seed,
            f"{label} {key}",
        )
        if math.isnan(result.low):  # few speakers have no interval
            result = result._replace(low=None, high=None)
        return result._asdict()

    summary = {
        "sentences": len(lines),
        "CER": mean("cer", "chars"),
        "WER": mean("wer", "words"),
        "MCD": mean("mcd"),
        "duration_ratio": mean("duration_ratio"),
        "missing_stop": 100 * sum(not line["stopped"] for line in lines) / len(lines),
    }
    return summary, lines


def utterances(lines):
    """Errors of each sentence of a row."""
    counts = Utterance._fields[2:]
    for line in lines:
        yield Utterance(line["ID"], line["speaker"], *(line[name] for name in counts))


def write_wavs(output, row, lines, spoken, rate):
    """Write the waveforms of a row, and note their places; None for what is empty."""
    for line, (wav, _) in zip(lines, spoken, strict=True):
        line["wav"] = f"wavs/{file_stem(row)}/{line['ID']}.wav" if len(wav) else None
        if line["wav"]:
            write_audio(output / line["wav"], wav.cpu().numpy(), rate)


def as_table(results):
    """Write the summary as a Markdown table."""
    lines = [
        "| row | CER % [95 %] | WER % [95 %] | MCD dB | duration ratio | no stop % |",
        "|---|---|---|---|---|---|",
    ]
    for row, found in results.items():
        cells = [row]
        for key in ("CER", "WER"):
            value = found[key]
            ends = "n/a"
            if value["low"] is not None:
                ends = f"{value['low']:.1f}, {value['high']:.1f}"
            cells.append(f"{value['mean']:.1f} [{ends}]")
        cells.append(f"{found['MCD']['mean']:.2f}")
        cells.append(f"{found['duration_ratio']['mean']:.2f}")
        cells.append(f"{found['missing_stop']:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    options = parse_arguments()
    output = Path(options.output_folder)
    tts, judge = load(options.tts, options.judge)
    rate = tts.hparams.sample_rate
    items = read_manifest(options.manifest, options.data_folder)[: options.limit]
    recordings = [
        torch.from_numpy(read_audio(item.wav, rate, item.segment).mean(0))
        for item in items
    ]
    rows = make_rows(tts, items, recordings, options)
    results, details = {}, {}
    for row in ROWS:
        results[row], details[row] = judge_row(
            judge, items, recordings, rows[row], options.seed, row
        )
        write_wavs(output, row, details[row], rows[row], rate)
    table = as_table(results)
    output.mkdir(parents=True, exist_ok=True)
    for row in ROWS:
        # recipes/run_seeds.py compares runs by these.
        write_utterances(output, row, utterances(details[row]))
    (output / "results.md").write_text(table)
    (output / "results.json").write_text(
        json.dumps(
            {
                "options": vars(options),
                "training": {"codec": tts.hparams.codec_fingerprint},
                "rows": results,
                "items": details,
            },
            indent=2,
        )
        + "\n"
    )
    write_page(output / "report.html", results, details, vars(options))
    print(table)
