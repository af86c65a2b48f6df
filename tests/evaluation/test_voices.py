"""Speaker similarity: the package's own embeddings, laws, and what has no voice."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evaluation.metrics import METRICS, MetricError, choose
from evaluation.metrics import metric as metric_module
from evaluation.metrics.voices import RESEMBLYZER, embed
from evaluation.running.scoring import measure

CLIPS = Path(__file__).parents[2] / "demo" / "clips"
RATE = 16000
# By resemblyzer 0.1.4 with librosa 0.11.0, embed_utterance(normalize_volume(wav, -30,
# increase_only=True)), in an environment where the two imports that it no longer finds
# (webrtcvad, scipy.ndimage.morphology) were replaced by empty ones, as neither is used
# there: the first six numbers, their sum, and their sum weighted by n / 256.
PUBLISHED = {
    ("english_man", "whole"): (
        (0.06887, 0.00371, 0.08259, 0, 0, 0.02316), 8.8189, 4.3868,
    ),
    ("english_man", "second"): (
        (0.11777, 0, 0.09498, 0, 0, 0.06786), 8.3716, 4.1604,
    ),
    ("german_woman", "whole"): (
        (0.02441, 0, 0.10781, 0, 0, 0.05302), 8.3746, 4.6733,
    ),
    ("german_woman", "quiet"): (
        (0.01694, 0, 0.08798, 0, 0, 0.056), 8.3365, 4.6433,
    ),
}  # fmt: skip
# Of whole clips, by the same embeddings: two people, and two others.
COSINES = {("english_man", "german_woman"): 0.64109}
COSINES["english_man", "english_woman"] = 0.58868

similarity = METRICS["speaker_similarity"]


@pytest.fixture(autouse=True, scope="module")
def _weights():
    try:
        metric_module.weights_path(RESEMBLYZER)
    except MetricError as error:
        pytest.skip(str(error))


def read(name: str) -> np.ndarray:
    wav, rate = soundfile.read(CLIPS / f"{name}.flac", dtype="float32")
    assert rate == RATE
    return wav


@pytest.mark.parametrize(("clip", "part"), PUBLISHED)
def test_the_packages_own_embeddings(clip, part):
    wav = read(clip)
    wav = {"whole": wav, "second": wav[RATE : 2 * RATE], "quiet": 0.01 * wav}[part]
    head, total, weighted = PUBLISHED[clip, part]
    found = embed(wav)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert found[:6] == pytest.approx(head, abs=5e-5)
    assert found.sum() == pytest.approx(total, abs=5e-4)
    assert found @ np.arange(256) / 256 == pytest.approx(weighted, abs=5e-4)


@pytest.mark.parametrize(("one", "other"), COSINES)
def test_the_packages_own_cosines(one, other):
    pair = read(one), read(other)
    length = min(map(len, pair))
    found = float(embed(pair[0]) @ embed(pair[1]))
    assert found == pytest.approx(COSINES[one, other], abs=5e-5)
    cut = similarity(pair[0][:length], pair[1][:length], RATE)
    assert cut == pytest.approx(found, abs=0.05)


def test_a_voice_is_itself_and_less_so_in_noise():
    wav = read("english_man").astype(np.float64)
    assert similarity(wav, wav, RATE) == pytest.approx(1)
    noise = np.random.default_rng(0).normal(size=wav.size)
    scores = [
        similarity(wav, wav + level * noise, RATE) for level in (0.003, 0.01, 0.1)
    ]
    assert sorted(scores, reverse=True) == scores
    assert len(set(scores)) == 3
    # Another rate than the model's is resampled.
    assert similarity(wav[::2], wav[::2], RATE // 2) == pytest.approx(1)


def test_what_has_no_voice():
    wav = read("english_man")
    silence = np.zeros_like(wav)
    with pytest.raises(MetricError, match="the output is silent"):
        similarity(wav, silence, RATE)
    with pytest.raises(MetricError, match="the reference is silent"):
        similarity(silence, wav, RATE)
    with pytest.raises(MetricError, match=r"too short: 0\.25 s, and 0\.4 s are needed"):
        similarity(wav[:4000], wav[:4000], RATE)


def test_a_missing_package_is_skipped_and_named(monkeypatch):
    wav = read("english_man")
    from evaluation.metrics import voices

    voices._encoder.cache_clear()
    voices._embedded.cache_clear()
    monkeypatch.setattr(metric_module, "find_spec", lambda name: None)
    outcome = measure(similarity, wav, wav, RATE)
    assert (outcome.status, outcome.lasting) == ("skipped", False)
    assert "resemblyzer is not installed" in outcome.reason
    assert "dac-lobe[perception]" in outcome.reason


def test_a_folder_is_another_definition(tmp_path):
    (tmp_path / "hyperparams.yaml").write_text("a: 1\n")
    bound = choose([f"speaker_similarity:{tmp_path}"])[0]
    assert "resemblyzer" not in bound.version
    assert "weights" in similarity.version
    assert "weights" not in bound.version
    assert "Resemblyzer" not in bound.definition
    assert replace(bound, options=()) != similarity
    assert "resemblyzer" not in sys.modules  # only its weights are used
