"""Tokenise a folder of recordings into a dataset of the `datasets` library.

    pip install datasets
    python examples/tokenise_dataset.py recordings/ tokens/

The recordings are read and resampled here, so `datasets` needs no audio decoder.
"""

import sys

from datasets import Dataset

from dac_lobe import DAC, load_audio
from dac_lobe.audio import Segment
from dac_lobe.data import read_manifest

CODEBOOKS = 4


def tokenise(row: dict, codec: DAC) -> dict:
    """Add the tokens [frames, codebooks] of the mean of the channels, and their rate."""
    segment = row["segment"] and Segment(**row["segment"])  # None: the whole file
    wav = load_audio(row["path"], codec.sample_rate, segment)
    codes = codec.encode(wav, CODEBOOKS).codes
    return {"tokens": codes[0].T.tolist(), "frame_rate": codec.frame_rate}


def main(recordings: str, output: str) -> Dataset:
    """Tokenise a folder or a manifest, and save the dataset."""
    items = read_manifest(recordings)
    parts = [item.segment and item.segment._asdict() for item in items]
    names, paths = [item.id for item in items], [item.wav for item in items]
    rows = Dataset.from_dict({"id": names, "path": paths, "segment": parts})
    codec = DAC.from_pretrained("16khz-small")
    tokens = rows.map(tokenise, fn_kwargs={"codec": codec})
    tokens.save_to_disk(output)
    return tokens


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
