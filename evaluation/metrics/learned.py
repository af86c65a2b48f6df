"""Every metric that a trained model computes: of listeners, of words, of voices.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from evaluation.metrics.folders import Layout
from evaluation.metrics.listeners import (
    P808_WEIGHTS,
    P835_WEIGHTS,
    PLCMOS_WEIGHTS,
    SCOREQ_FILE,
)
from evaluation.metrics.metric import Metric
from evaluation.metrics.recognizers import SPHINX
from evaluation.metrics.utmos import UTMOS_FILE
from evaluation.metrics.voices import RESEMBLYZER

__all__ = ["LAYOUTS", "LEARNED", "PERCEPTION"]

_VOICES = "evaluation.metrics.voices"
_WORDS = "evaluation.metrics.words"
_LISTENERS = "evaluation.metrics.listeners"
_SPHINX = (
    "The recognizer is PocketSphinx's US English model (one pass, at most 5000 HMMs a "
    "frame, cepstral means of the clip), a weak one: differences between systems count, "
    "not levels. Clips of 0.1 s or more."
)
_TEXT = "NFC, upper case, letters with their marks, digits and apostrophes"
_SILENCE = "in an output below -70 dBFS nothing is heard"
_WER = (
    "Word errors of the output's recognition against the manifest's transcript; "
    f"{_TEXT}; {_SILENCE}; means weighted by words. "
)
_CER = (
    "Character errors of the output's recognition against the manifest's transcript; "
    f"{_TEXT}, and spaces; {_SILENCE}; means weighted by characters. "
)
_DWER = (
    "Word errors of the output's recognition against the reference's recognition; "
    f"{_TEXT}; {_SILENCE}; means weighted by words. "
)
_DNSMOS = (
    "The clip at 16 kHz, doubled until it has 9.01 s, in windows of 9.01 s a second "
    "apart; mean over the windows. Looks at the output alone."
)

LEARNED = (
    Metric(
        "wer",
        f"{_WORDS}:wer",
        "WER",
        _WER + _SPHINX,
        "Levenshtein 1966; PocketSphinx",
        higher_is_better=False,
        unit="%",
        domain="speech",
        package="pocketsphinx",
        decimals=2,
        revision=2,
        wants_transcript=True,
        intrusive=False,
        weights=SPHINX,
        language="en",
    ),
    Metric(
        "cer",
        f"{_WORDS}:cer",
        "CER",
        _CER + _SPHINX,
        "Levenshtein 1966; PocketSphinx",
        higher_is_better=False,
        unit="%",
        domain="speech",
        package="pocketsphinx",
        decimals=2,
        revision=2,
        wants_transcript=True,
        intrusive=False,
        weights=SPHINX,
        language="en",
    ),
    Metric(
        "dwer",
        f"{_WORDS}:dwer",
        "dWER",
        _DWER + _SPHINX,
        "Wang et al. 2023; PocketSphinx",
        higher_is_better=False,
        unit="%",
        domain="speech",
        package="pocketsphinx",
        decimals=2,
        revision=2,
        weights=SPHINX,
        language="en",
    ),
    Metric(
        "speaker_similarity",
        f"{_VOICES}:speaker_similarity",
        "Speaker similarity",
        "Cosine between the speaker embeddings of reference and output by Resemblyzer's "
        "encoder: each at 16 kHz, raised to -30 dBFS if below, no silence cut out; 40 "
        "mel bands, windows of 1.6 s every 0.77 s (the last if three quarters full), "
        "mean of their unit vectors. Clips of 0.4 s or more.",
        "Wan et al. 2018; weights of Resemblyzer",
        higher_is_better=True,
        domain="speech",
        package="resemblyzer",
        engine="torch",
        weights=(RESEMBLYZER,),
    ),
    *(
        Metric(
            f"dnsmos_{scale}",
            f"{_LISTENERS}:dnsmos_{scale}",
            f"DNSMOS {scale.upper()}",
            f"Rating of the {rated} that P.835 listeners would give, 1 to 5. {_DNSMOS}",
            "Reddy et al. 2022",
            higher_is_better=True,
            domain="speech",
            package="speechmos",
            engine="onnxruntime",
            decimals=2,
            weights=(P835_WEIGHTS,),
            intrusive=False,
        )
        for scale, rated in (
            ("ovrl", "whole"),
            ("sig", "speech"),
            ("bak", "background"),
        )
    ),
    Metric(
        "dnsmos_p808",
        f"{_LISTENERS}:dnsmos_p808",
        "DNSMOS P.808",
        "Rating that P.808 listeners would give, 1 to 5. " + _DNSMOS,
        "Reddy et al. 2021",
        higher_is_better=True,
        domain="speech",
        package="speechmos",
        engine="onnxruntime",
        decimals=2,
        weights=(P808_WEIGHTS,),
        intrusive=False,
    ),
    Metric(
        "plcmos",
        f"{_LISTENERS}:plcmos",
        "PLCMOS",
        "Rating after packet loss, 1 to 5 (PLCMOS v2), mean of 15 fixed raters. "
        "The clip at 16 kHz. Looks at the output alone.",
        "Diener et al. 2023",
        higher_is_better=True,
        domain="speech",
        package="speechmos",
        engine="onnxruntime",
        decimals=2,
        weights=(PLCMOS_WEIGHTS,),
        intrusive=False,
    ),
    Metric(
        "distillmos",
        f"{_LISTENERS}:distillmos",
        "DistillMOS",
        "Rating that listeners would give, 1 to 5 (variant 7). The clip at 16 kHz, "
        "its peak at full scale, zeros up to 7.68 s, or windows of 7.68 s at most 1 s "
        "apart. Looks at the output alone.",
        "Stahl and Gamper 2025",
        higher_is_better=True,
        domain="speech",
        package="distillmos",
        engine="torch",
        decimals=2,
        weights=("distillmos:weights/distill_mos_v7.pt",),
        intrusive=False,
    ),
    Metric(
        "utmos",
        "evaluation.metrics.utmos:utmos",
        "UTMOS",
        "Naturalness that listeners would rate, 1 to 5, by the strong learner of "
        "UTMOS22. The clip at 16 kHz, of 0.1 s or more. Looks at the output alone.",
        "Saeki et al. 2022; weights of tarepan/SpeechMOS",
        higher_is_better=True,
        domain="speech",
        package="transformers",
        decimals=2,
        intrusive=False,
    ),
    Metric(
        "scoreq",
        f"{_LISTENERS}:scoreq",
        "SCOREQ",
        "Quality that listeners would rate, 1 to 5: natural speech, no reference. The "
        "clip at 16 kHz, of 0.1 s or more, zeros up to a multiple of 320 samples. Looks "
        "at the output alone.",
        "Ragano et al. 2024",
        higher_is_better=True,
        domain="speech",
        package="onnxruntime",
        decimals=2,
        intrusive=False,
    ),
    Metric(
        "whisper_wer",
        f"{_WORDS}:whisper_wer",
        "WER (Whisper)",
        _WER + "By a Whisper model, greedily, its language detected where it knows "
        "several. Clips from 0.1 to 30 s.",
        "Radford et al. 2022; the model is part of the definition",
        higher_is_better=False,
        unit="%",
        domain="speech",
        package="transformers",
        decimals=2,
        revision=2,
        wants_transcript=True,
        intrusive=False,
    ),
    Metric(
        "wavlm_similarity",
        f"{_VOICES}:wavlm_similarity",
        "Speaker similarity (WavLM)",
        "Cosine between the x-vectors of reference and output, each at 16 kHz, of 0.5 s "
        "or more.",
        "Chen et al. 2022; the model is part of the definition",
        higher_is_better=True,
        domain="speech",
        package="transformers",
    ),
)

PERCEPTION = (
    *("dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808", "plcmos"),
    *("distillmos", "wer", "dwer", "speaker_similarity"),
)
_YOUR_OWN = "SpeechBrain; the model is part of the definition"
LAYOUTS = {
    **{
        name: Layout(
            "a SpeechBrain recognizer",
            "speechbrain",
            ("hyperparams.yaml",),
            definition=definition.strip(),
            source=_YOUR_OWN,
        )
        for name, definition in (("wer", _WER), ("cer", _CER), ("dwer", _DWER))
    },
    "speaker_similarity": Layout(
        "a SpeechBrain EncoderClassifier",
        "speechbrain",
        ("hyperparams.yaml",),
        definition="Cosine between the speaker embeddings of reference and output.",
        source=_YOUR_OWN,
    ),
    "utmos": Layout(
        "UTMOS22's strong learner, with its utmos22_strong_step7459_v1.pt",
        "transformers",
        (UTMOS_FILE,),
        alone=True,
        required=True,
    ),
    "scoreq": Layout(
        "SCOREQ's ONNX models",
        "onnxruntime",
        (SCOREQ_FILE,),
        alone=True,
        required=True,
    ),
    "whisper_wer": Layout(
        "a Whisper model of transformers, as openai/whisper-small",
        "transformers",
        ("config.json", "generation_config.json", "tokenizer_config.json"),
        required=True,
    ),
    "wavlm_similarity": Layout(
        "a transformers model with an x-vector head, as microsoft/wavlm-base-plus-sv",
        "transformers",
        ("config.json", "preprocessor_config.json"),
        required=True,
    ),
}
