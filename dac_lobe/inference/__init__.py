"""Trained recipes at work, in SpeechBrain's style.

    asr = TokenASR.from_hparams(source="exported")      # a folder, or a hub id
    asr.transcribe_file("question.wav")
    tts = TokenTTS.from_hparams(source="exported")
    wav = tts.synthesize("ENTER FIFTY ONE")

The folders are made by ``dac-lobe export``.

Authors
 * The dac-lobe developers 2026
"""

from dac_lobe.inference.asr import TokenASR
from dac_lobe.inference.tts import Synthesis, TokenTTS

__all__ = ["Synthesis", "TokenASR", "TokenTTS"]
