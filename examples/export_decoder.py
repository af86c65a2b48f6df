"""Export the decoder with torch.export: codes to waveform, without this package.

    python examples/export_decoder.py decoder.pt2

What is exported, and its limits: the quantizer's look-up and the decoder as written, in
float32; any number of frames from 2, batches of one, all codebooks. The output is the
raw one (docs/delay.md), and time is not cut into chunks, so memory grows with length.
"""

import sys

import torch
from torch.export import Dim

from dac_lobe import DAC, fold_weight_norm


class Decoder(torch.nn.Module):
    """Codes [1, K, F] to a waveform [1, 1, T]."""

    def __init__(self, codec: DAC):
        super().__init__()
        self.quantizer, self.decoder = codec.quantizer, codec.decoder

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Look the codes up, add, decode."""
        stages = zip(self.quantizer.quantizers, codes.unbind(1), strict=True)
        return self.decoder(sum(q.out_proj(q.decode_code(c)) for q, c in stages))


def export(codec: DAC, path: str) -> None:
    """Write the program; `torch.export.load(path).module()` reads it."""
    decoder = Decoder(fold_weight_norm(codec)).eval()
    codes = torch.zeros(1, codec.n_codebooks, 50, dtype=torch.long)
    with torch.no_grad():
        program = torch.export.export(
            decoder, (codes,), dynamic_shapes=({2: Dim("F", min=2)},)
        )
    torch.export.save(program, path)


if __name__ == "__main__":
    export(DAC.from_pretrained("16khz-small", backend="torch"), sys.argv[1])
