"""Audio files to waveforms and back: any rate, any format that libsndfile knows.

Authors
 * The dac-lobe developers 2026
"""

from dac_lobe.audio.reader import BLOCK_SAMPLES, AudioError, AudioReader, read_audio
from dac_lobe.audio.writer import AudioWriter, write_audio

__all__ = [
    "BLOCK_SAMPLES",
    "AudioError",
    "AudioReader",
    "AudioWriter",
    "read_audio",
    "write_audio",
]
