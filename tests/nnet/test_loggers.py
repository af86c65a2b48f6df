"""What a recipe shows on TensorBoard."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import soundfile
import torch

from dac_lobe.nnet.loggers import log_audio

pytest.importorskip("tensorboard")
RATE = 16000


def test_a_tone_is_heard_and_seen_where_it_is(tmp_path):
    """The samples come back, and the brightest row of the picture is the tone's."""
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    wav = 0.5 * torch.sin(2 * math.pi * 4000 * torch.arange(RATE // 4) / RATE)
    with SummaryWriter(str(tmp_path)) as writer:
        log_audio(writer, "a/original", wav, RATE, step=7)
    events = EventAccumulator(str(tmp_path)).Reload()
    (sound,) = events.Audio("a/original")
    assert sound.step == 7
    heard, rate = soundfile.read(io.BytesIO(sound.encoded_audio_string))
    assert rate == RATE
    np.testing.assert_allclose(heard, wav, atol=1e-4)
    (image,) = events.Images("a/original")
    picture = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))[..., 0]
    # 257 rows from 8000 Hz at the top to 0 Hz: 4000 Hz is in the middle.
    assert picture.shape[0] == 257
    assert picture.mean(axis=1).argmax() == 128
    inner = picture[:, 4:-4]  # mirrored ends are no tone
    assert inner[128].min() > 200
    assert inner[:64].mean() < 50, "nothing but rounding above 6 kHz"
