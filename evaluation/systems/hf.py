"""Any audio codec of transformers under test, from what its config says.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import inspect
import math
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evaluation.errors import package_needed
from evaluation.recordings.clips import resample
from evaluation.systems.neural import NeuralSystem
from evaluation.systems.system import Point

__all__ = ["Layout", "TransformersSystem", "read_layout"]

# One thing, and the names that configs have for it.
INPUT_RATES = ("sampling_rate", "sample_rate", "input_sampling_rate")
OUTPUT_RATES = ("output_sampling_rate", *INPUT_RATES)
CODEBOOKS = ("n_codebooks", "num_quantizers")


class Layout(NamedTuple):
    """How a codec lays out its codes.

    Attributes
    ----------
    input_rate, output_rate : int
        Of the audio that is encoded, and of what is decoded, in Hz.
    frame_rate : float
        Frames per second, in Hz.
    num_codebooks, fewest_codebooks : int
        Codebooks K, and how many of them can be decoded at least.
    codebook_size : int
        Codes per codebook.
    channels : int
        Of the audio; 1 or 2.
    """

    input_rate: int
    output_rate: int
    frame_rate: float
    num_codebooks: int
    fewest_codebooks: int
    codebook_size: int
    channels: int


def read_layout(config: Any, source: str) -> Layout:
    """Read a codec's layout from its configuration.

    Finite scalar quantization (Mentzer et al. 2024) is one codebook of as many
    codes as its levels have combinations. Frame rates are computed: the
    ``frame_rate`` of some configs is rounded up.

    Arguments
    ---------
    config : transformers.PreTrainedConfig
        Of a codec.
    source : str
        Where it came from, for messages.

    Returns
    -------
    Layout
        What is needed to count bits.

    Raises
    ------
    ValueError
        If a field is missing, or the codec cuts its audio into chunks.
    """

    def field(*names: str) -> Any:
        found = (getattr(config, name, None) for name in names)
        value = next((value for value in found if value is not None), None)
        if value is None:
            raise ValueError(
                f"hf:{source}: the config of a {config.model_type!r} has no "
                f"{' or '.join(names)}. A codec with codebooks is needed."
            )
        return value

    levels = getattr(config, "quantization_levels", None)
    num_codebooks = 1 if levels else field(*CODEBOOKS)
    codebook_size = math.prod(levels) if levels else field("codebook_size")
    output_rate = field(*OUTPUT_RATES)
    hop_length = getattr(config, "hop_length", None)
    if getattr(config, "chunk_length_s", None) or getattr(config, "normalize", False):
        raise ValueError(
            f"hf:{source}: its chunks (chunk_length_s) or scales (normalize) need "
            f"EnCodec's own system. Give encodec:{source}."
        )
    return Layout(
        input_rate=field(*INPUT_RATES),
        output_rate=output_rate,
        frame_rate=output_rate / hop_length if hop_length else field("frame_rate"),
        num_codebooks=num_codebooks,
        fewest_codebooks=getattr(config, "num_semantic_quantizers", 1),
        codebook_size=codebook_size,
        channels=getattr(config, "audio_channels", 1),
    )


class TransformersSystem(NeuralSystem):
    """A codec that ``transformers.AutoModel`` loads, with its feature extractor.

    All codebooks are encoded, and prefixes of them decoded. A codec of two
    channels is given the recording twice, and the mean of its channels is scored.

    Arguments
    ---------
    source : str or Path
        A folder in transformers' layout, or a hub id.
    name : str, optional
        System name; the last part of the source by default.
    device : str
        Where to run.

    Attributes
    ----------
    layout : Layout or None
        What the config says, after `load`.
    """

    layout: Layout

    def _load(self) -> None:
        """Read the config before the weights: it says whether they are a codec's."""
        with package_needed(f"hf:{self.source}", "Install dac-lobe[hf]."):
            from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
        self.layout = read_layout(self._part(AutoConfig), self.source)
        self.extractor = self._part(AutoFeatureExtractor)
        # Some weights are stored in half precision, which no CPU is quick in.
        self.codec = self._part(AutoModel).float().to(self.device).eval()
        self.sample_rate = self.layout.output_rate
        self.frame_rate = self.layout.frame_rate
        self.num_codebooks = self.layout.num_codebooks
        self.fewest_codebooks = self.layout.fewest_codebooks
        self.codebook_size = self.layout.codebook_size

    def _part(self, kind: Any) -> Any:
        from transformers.utils import logging

        # Bars are for downloads; those of a worker would outlive it as a semaphore.
        nothing_to_fetch = parent_process() is not None or Path(self.source).is_dir()
        hide = nothing_to_fetch and logging.is_progress_bar_enabled()
        if hide:
            logging.disable_progress_bar()
        try:
            return kind.from_pretrained(self.source)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(f"hf:{self.source} cannot be loaded: {reason}") from error
        finally:
            if hide:
                logging.enable_progress_bar()

    def _code_version(self) -> str:
        import transformers

        return f"transformers {transformers.__version__}"

    def _choices(self) -> str:
        choices = (
            f"{self.codec.config.to_json_string()} {self.extractor.to_json_string()}"
        )
        return hashlib.sha256(choices.encode()).hexdigest()

    def encode(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """Encode samples [T] into all codebooks [K, F]."""
        import torch

        layout = self.layout
        audio = resample(wav, sample_rate, layout.input_rate).astype(np.float32)
        if layout.channels > 1:
            audio = np.stack([audio] * layout.channels)
        inputs = self.extractor(
            audio, sampling_rate=layout.input_rate, return_tensors="pt"
        ).to(self.device)
        # Some take all codebooks by default, some the fewest that they know.
        bandwidths = getattr(self.codec.config, "target_bandwidths", None)
        offered = {**inputs, "bandwidth": bandwidths[-1] if bandwidths else None}
        accepted = inspect.signature(self.codec.encode).parameters
        given = {key: value for key, value in offered.items() if key in accepted}
        with torch.inference_mode():
            codes = self.codec.encode(**given).audio_codes
        # [1, K, F]; EnCodec counts chunks first, of which there is one.
        found = self._codes(codes.reshape(codes.shape[-3:]))
        if len(found) != self.num_codebooks:
            raise ValueError(
                f"{self.name} gave codes of shape {tuple(codes.shape)}, not "
                f"{self.num_codebooks} codebooks, as its config says."
            )
        return found

    def decode(self, codes: np.ndarray, point: Point, length: int) -> np.ndarray:
        """Decode the codebooks given into samples [T]."""
        import torch

        batch = self._indices(codes)
        given: dict[str, Any] = {"audio_codes": batch}
        if "audio_scales" in inspect.signature(self.codec.decode).parameters:
            given = {"audio_codes": batch[None], "audio_scales": [None]}
        with torch.inference_mode():
            audio = self.codec.decode(**given).audio_values
        wav = audio.reshape(-1, audio.shape[-1])[:, :length].mean(dim=0)
        return self._samples(wav)
