"""Record from the microphone into a packed file until Ctrl-C, encoding as it goes.

pip install sounddevice
python examples/microphone_to_file.py talk.dac
"""

import signal
import sys
import threading
from collections.abc import Iterable, Iterator

import torch

from dac_lobe import DAC
from dac_lobe.container import Header, PackedWriter
from dac_lobe.weights.fingerprint import fingerprint


def microphone(rate: int) -> Iterator[torch.Tensor]:
    """Yield a tenth of a second at a time."""
    import sounddevice  # needs PortAudio

    stop = threading.Event()  # Ctrl-C may come while a block is encoded
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with sounddevice.InputStream(rate, channels=1, dtype="float32") as stream:
        while not stop.is_set():
            yield torch.from_numpy(stream.read(rate // 10)[0][:, 0].copy())


def record(blocks: Iterable[torch.Tensor], path: str, codec: DAC) -> None:
    """Encode blocks [T] of samples into a file."""
    sizes = {"sample_rate": codec.sample_rate, "source_rate": codec.sample_rate}
    sizes |= {"hop_length": codec.hop_length, "codebook_size": codec.codebook_size}
    sizes |= {"num_codebooks": codec.n_codebooks, "channels": 1}
    header = Header(model="16khz-small", fingerprint=fingerprint(codec), **sizes)
    total = 0
    with codec.streaming_encoder() as encoder, PackedWriter(path, header) as writer:
        for block in blocks:
            writer.write(encoder.push(block).numpy())
            total += len(block)
        writer.write(encoder.flush().numpy())
        writer.finish(total)


if __name__ == "__main__":
    model = DAC.from_pretrained("16khz-small")
    record(microphone(model.sample_rate), sys.argv[1], model)
