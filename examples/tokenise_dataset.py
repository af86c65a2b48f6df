"""Tokenise a folder of recordings into a dataset of the `datasets` library.

    pip install datasets
    python examples/tokenise_dataset.py recordings/ tokens/

The recordings are read and resampled here, so `datasets` needs no audio decoder.
"""

import sys

from datasets import Dataset

from dac_lobe import DAC
from dac_lobe.data import read_manifest

CODEBOOKS = 4


def tokenise(row: dict, codec: DAC) -> dict:
    """Add the tokens [frames, codebooks] of the first channel, and their rate."""
    packed = codec.encode_file(row["path"], num_codebooks=CODEBOOKS)
    return {"tokens": packed.codes[0].T.tolist(), "frame_rate": codec.frame_rate}


def main(recordings: str, output: str) -> Dataset:
    """Tokenise a folder or a manifest, and save the dataset."""
    items = read_manifest(recordings)
    rows = Dataset.from_dict({"path": [str(item.wav) for item in items]})
    codec = DAC.from_pretrained("16khz-small")
    tokens = rows.map(tokenise, fn_kwargs={"codec": codec})
    tokens.save_to_disk(output)
    return tokens


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
