"""Audio files to waveforms and back: any rate, any format that libsndfile knows.

And the mel filters that losses and metrics share.

Authors
 * The dac-lobe developers 2026
"""

from dac_lobe.audio.loading import load_audio
from dac_lobe.audio.media import readable_suffixes
from dac_lobe.audio.mel import mel_filters
from dac_lobe.audio.reader import (
    BLOCK_SAMPLES,
    AudioError,
    AudioReader,
    Segment,
    Source,
    read_audio,
)
from dac_lobe.audio.writer import AudioWriter, write_audio
from dac_lobe.disk.suffixes import left_out, visible_files

__all__ = [
    "BLOCK_SAMPLES",
    "AudioError",
    "AudioReader",
    "AudioWriter",
    "Segment",
    "Source",
    "left_out",
    "load_audio",
    "mel_filters",
    "read_audio",
    "readable_suffixes",
    "visible_files",
    "write_audio",
]
