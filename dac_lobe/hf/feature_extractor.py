"""Padded batches for transformers' DAC, stereo too.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import Any

import numpy as np
import transformers

__all__ = ["DacFeatureExtractor"]


class DacFeatureExtractor(transformers.DacFeatureExtractor):
    """Pad recordings to a batch; arguments as in transformers.

    With ``feature_size`` C above 1 each recording is [C, T], and the batch
    [B, C, T].

    Example
    -------
    >>> extractor = DacFeatureExtractor(feature_size=2, hop_length=8)
    >>> clips = [np.zeros((2, 20)), np.zeros((2, 9))]
    >>> inputs = extractor(clips, sampling_rate=16000, return_tensors="pt")
    >>> inputs["input_values"].shape, inputs["padding_mask"].sum(1).tolist()
    (torch.Size([2, 2, 24]), [20, 9])
    """

    model_input_names = ["input_values", "padding_mask"]  # noqa: RUF012

    def __call__(
        self,
        raw_audio: Any,
        padding: Any = None,
        truncation: bool | None = False,
        max_length: int | None = None,
        return_tensors: Any = None,
        sampling_rate: int | None = None,
    ) -> transformers.BatchFeature:
        """Make a batch of one recording or several; see transformers."""
        options = (padding, truncation, max_length)
        channels = self.feature_size
        if channels == 1:
            return super().__call__(raw_audio, *options, return_tensors, sampling_rate)
        clips = raw_audio if isinstance(raw_audio, (list, tuple)) else [raw_audio]
        clips = [np.asarray(clip, dtype=np.float32) for clip in clips]
        for clip in clips:
            if clip.ndim != 2 or clip.shape[0] != channels:
                raise ValueError(
                    f"a recording is {clip.shape}; this extractor (feature_size="
                    f"{channels}) takes ({channels}, samples)."
                )
        mono = type(self).from_dict({**self.to_dict(), "feature_size": 1})
        each = [channel for clip in clips for channel in clip]
        batch = mono(each, *options, None, sampling_rate)
        values = batch["input_values"]
        batch["input_values"] = [
            np.concatenate(values[start : start + channels])
            for start in range(0, len(values), channels)
        ]
        if "padding_mask" in batch:
            batch["padding_mask"] = batch["padding_mask"][::channels]
        return batch.convert_to_tensors(return_tensors) if return_tensors else batch
