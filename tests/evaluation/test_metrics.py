"""Metrics against outside vectors, and the laws that any input must obey."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics import METRICS, STANDARD, MetricError, choose
from evaluation.metrics.waveform import align, estimate_lag, si_sdr
from evaluation.selftest import recorded_vectors, speech_like, synthetic_pair

RECORDED = recorded_vectors()


@pytest.fixture(scope="module")
def pair():
    """Two seconds of a buzzing, speech-like sound at 16 kHz, and a noisy copy."""
    wav = speech_like()
    rng = np.random.default_rng(3)
    return wav, wav + 0.02 * rng.normal(size=wav.size)


def read(path: Path) -> np.ndarray:
    return soundfile.read(path)[0]


class TestOutsideVectors:
    """Numbers published by others, or computed by their code."""

    def test_pesq_of_ludlows(self, shared_audio):
        folder = shared_audio / "metrics_reference" / "pesq"
        pair = read(folder / "speech.flac"), read(folder / "speech_bab_0dB.flac")
        assert METRICS["pesq_wb"](*pair, 16000) == pytest.approx(
            1.0832337141036987, abs=1e-12
        )
        assert METRICS["pesq_nb"](*pair, 16000) == pytest.approx(
            1.6072081327438354, abs=1e-12
        )
        assert METRICS["stoi"](*pair, 16000) == pytest.approx(
            0.6739177895331301, abs=1e-12
        )
        assert METRICS["estoi"](*pair, 16000) == pytest.approx(
            0.39044999103355366, abs=1e-12
        )
        assert METRICS["si_sdr"](*pair, 16000) == pytest.approx(
            0.10378976323556044, abs=1e-10
        )

    def test_versa(self, shared_audio):
        folder = shared_audio / "metrics_reference" / "versa"
        pair = read(folder / "test1.flac"), read(folder / "test2.flac")
        assert METRICS["pesq_wb"](*pair, 16000) == pytest.approx(
            1.5722705125808716, abs=1e-12
        )
        assert METRICS["stoi"](*pair, 16000) == pytest.approx(
            0.007625108859647406, abs=1e-12
        )
        # The pair has a strong offset: removing the mean or not is decisive.
        assert METRICS["si_sdr"](*pair, 16000) == pytest.approx(-48.871, abs=1e-3)

    def test_identity_of_real_speech(self, shared_audio):
        wav = read(shared_audio / "metrics_reference" / "pesq" / "speech.flac")
        assert METRICS["pesq_wb"](wav, wav, 16000) == pytest.approx(4.643888473510742)
        assert METRICS["pesq_nb"](wav, wav, 16000) == pytest.approx(4.548638343811035)
        assert METRICS["stoi"](wav, wav, 16000) == pytest.approx(1.0, abs=1e-9)

    def test_shift_ruins_si_sdr_and_not_pesq(self, shared_audio):
        """The signature of a codec whose output is early by 8 samples."""
        wav = read(shared_audio / "metrics_reference" / "pesq" / "speech.flac")
        expected = {1: 10.90, 2: 6.44, 4: 0.99, 8: -7.13, 16: -7.82}
        for shift, decibels in expected.items():
            pair = wav[shift:], wav[:-shift]
            assert METRICS["si_sdr_raw"](*pair, 16000) == pytest.approx(
                decibels, abs=0.02
            )
            assert estimate_lag(*pair) == shift
            assert METRICS["pesq_wb"](*pair, 16000) == pytest.approx(4.6439, abs=6e-3)

    def test_si_sdr_of_torchmetrics(self):
        pair = np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8])
        assert si_sdr(*pair) == pytest.approx(15.0918, abs=5e-5)

    @pytest.mark.parametrize("case", RECORDED["cases"])
    def test_audiotools(self, case):
        reference, output = synthetic_pair(case["sample_rate"], case["seed"])
        for name, expected in case["scores"].items():
            value = METRICS[name](reference, output, case["sample_rate"])
            assert value == pytest.approx(expected, abs=1e-5), name


class TestLaws:
    def test_more_noise_is_worse(self, pair):
        clean, _ = pair
        noise = np.random.default_rng(0).normal(size=clean.size)
        for name in STANDARD:
            metric = METRICS[name]
            scores = [
                metric(clean, clean + level * noise, 16000)
                for level in (0.001, 0.01, 0.05)
            ]
            assert sorted(scores, reverse=metric.higher_is_better) == scores, name
            assert len(set(scores)) == 3, name

    def test_identity_is_best(self, pair):
        clean, noisy = pair
        for name in (*STANDARD, "lsd"):
            metric = METRICS[name]
            same, other = metric(clean, clean, 16000), metric(clean, noisy, 16000)
            assert (same > other) == metric.higher_is_better, name

    def test_same_call_same_bits(self, pair):
        np.random.seed(7)
        state = np.random.get_state()[1].copy()
        first = [METRICS[name](*pair, 16000) for name in STANDARD]
        assert (np.random.get_state()[1] == state).all()
        np.random.seed(8)
        assert [METRICS[name](*pair, 16000) for name in STANDARD] == first

    @settings(deadline=None, max_examples=25)
    @given(gain=st.floats(0.05, 20), sign=st.sampled_from([-1, 1]))
    def test_si_sdr_ignores_scale(self, pair, gain, sign):
        clean, noisy = pair
        assert si_sdr(clean, sign * gain * noisy) == pytest.approx(si_sdr(clean, noisy))

    @settings(deadline=None, max_examples=25)
    @given(lag=st.integers(-300, 300))
    def test_lag_is_found_and_taken_out(self, lag):
        wav = np.random.default_rng(1).normal(size=3000)
        late = np.roll(wav, lag)
        assert estimate_lag(wav, late) == lag
        reference, output = align(wav, late, lag)
        assert np.array_equal(reference, output)

    def test_silence_has_no_lag(self, pair):
        clean, _ = pair
        for still in (np.zeros_like(clean), np.full_like(clean, 0.3), 1e-8 * clean):
            assert estimate_lag(clean, still) is None
            assert estimate_lag(still, clean) is None
        assert estimate_lag(clean[:0], clean[:0]) is None

    def test_blocks_do_not_show(self, pair, monkeypatch):
        from evaluation.metrics import spectral

        whole = METRICS["mel_dac7"](*pair, 16000)
        monkeypatch.setattr(spectral, "FRAMES_AT_ONCE", 7)
        assert METRICS["mel_dac7"](*pair, 16000) == pytest.approx(whole, rel=1e-12)


class TestNoScore:
    """Unusable input is an error with its reason, never a number."""

    @pytest.mark.parametrize(
        "name",
        ["pesq_wb", "pesq_nb", "stoi", "estoi", "visqol_audio", "visqol_speech"],
    )
    def test_silence(self, pair, name):
        clean, _ = pair
        silence = np.zeros_like(clean)
        with pytest.raises(MetricError, match="the output is silent"):
            METRICS[name](clean, silence, 16000)
        with pytest.raises(MetricError, match="the reference is silent"):
            METRICS[name](silence, clean, 16000)

    @pytest.mark.parametrize("name", ["visqol_audio", "visqol_speech"])
    @pytest.mark.parametrize("offset", [0.0, 0.1])
    def test_next_to_silence_has_no_visqol(self, pair, name, offset):
        """It would give its best score, whatever the output."""
        pytest.importorskip("visqol")
        noise = np.random.default_rng(0).normal(size=pair[0].size)
        with pytest.raises(MetricError, match="too quiet for ViSQOL: -80 dBFS"):
            METRICS[name](1e-4 * noise + offset, 0.1 * noise[::-1], 16000)

    def test_constant_has_no_si_sdr(self, pair):
        clean, _ = pair
        for constant in (0.0, 0.3):
            with pytest.raises(MetricError, match="the output is constant"):
                METRICS["si_sdr"](clean, np.full_like(clean, constant), 16000)

    @pytest.mark.parametrize("name", ["pesq_wb", "pesq_nb", "stoi", "visqol_speech"])
    def test_constant_output_is_silence(self, pair, name):
        with pytest.raises(MetricError, match="the output is constant"):
            METRICS[name](pair[0], np.full_like(pair[0], 0.3), 16000)

    @pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.intrusive])
    def test_nothing_compares_with_a_reference_that_is_still(self, pair, name):
        """Nor with channels of opposite phase, of which averaging leaves next to nothing."""
        clean, noisy = pair
        rest = np.float32(clean + 1e-8) / 2 - np.float32(clean) / 2
        for still, said in (
            (0 * clean, "silent"),
            (0 * clean + 0.3, "constant"),
            (rest, "silent"),
        ):
            with pytest.raises(MetricError, match=f"the reference is {said}"):
                METRICS[name](still, noisy, 16000)

    @pytest.mark.parametrize("samples", [2, 300, 2000, 6500])
    def test_too_short_for_stoi(self, pair, samples):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(MetricError, match=r"0\.41 s"):
                METRICS["stoi"](
                    pair[0][4000:][:samples], pair[1][4000:][:samples], 16000
                )

    def test_too_short_for_pesq(self, pair):
        with pytest.raises(MetricError, match="too short"):
            METRICS["pesq_wb"](pair[0][:3999], pair[1][:3999], 16000)

    def test_too_long_for_pesq(self):
        minutes = np.random.default_rng(0).normal(size=61 * 16000)
        with pytest.raises(MetricError, match="too long"):
            METRICS["pesq_wb"](minutes, minutes, 16000)

    def test_too_short_to_reflect(self, pair):
        with pytest.raises(MetricError, match="1025 are needed"):
            METRICS["mel_dac7"](pair[0][:1024], pair[1][:1024], 16000)

    @pytest.mark.parametrize("name", METRICS)
    def test_not_finite_not_equal_length(self, pair, name):
        clean, noisy = pair
        broken = noisy.copy()
        broken[100] = np.nan
        with pytest.raises(MetricError, match="NaN"):
            METRICS[name](clean, broken, 16000)
        with pytest.raises(MetricError, match="samples"):
            METRICS[name](clean, noisy[:-1], 16000)
        with pytest.raises(MetricError, match="empty"):
            METRICS[name](clean[:0], noisy[:0], 16000)

    def test_missing_package_is_named(self, pair, monkeypatch):
        import sys

        monkeypatch.setitem(sys.modules, "pesq", None)
        with pytest.raises(MetricError, match="pip install pesq"):
            METRICS["pesq_wb"](*pair, 16000)

    def test_unknown_metric(self):
        with pytest.raises(ValueError, match=r"unknown metric 'mel'.*mel_dac7"):
            choose(["mel"])


class TestOptional:
    """Metrics of the extra packages."""

    def test_pitch_of_a_voice(self, pair):
        pytest.importorskip("parselmouth")
        clean, noisy = pair
        for name in ("f0_rmse", "gpe", "vuv_error"):
            assert METRICS[name](clean, clean, 16000) == 0
            assert METRICS[name](clean, noisy, 16000) >= 0
        faster = np.interp(np.arange(0, clean.size, 1.06), np.arange(clean.size), clean)
        cents = METRICS["f0_rmse"](clean[: faster.size], faster, 16000)
        assert cents > 50  # 1.06 is a semitone, 100 cents
        with pytest.raises(MetricError, match="no voice"):
            METRICS["f0_rmse"](
                np.random.default_rng(0).normal(size=16000) / 9, clean[:16000], 16000
            )

    @pytest.mark.slow
    def test_visqol_of_google(self, shared_audio):
        """Conformance value of the speech mode with the exponential fit."""
        pytest.importorskip("visqol")
        folder = shared_audio / "metrics_reference" / "visqol"
        reference, rate = soundfile.read(folder / "CA01_01.flac")
        output, _ = soundfile.read(folder / "transcoded_CA01_01.flac")
        length = min(len(reference), len(output))
        value = METRICS["visqol_speech"](reference[:length], output[:length], rate)
        # Google's tool takes the 48 kHz file to 16 kHz by other means.
        assert value == pytest.approx(3.374505555111911, abs=0.01)

    def test_model_must_be_given_and_there(self, tmp_path):
        with pytest.raises(ValueError, match="write stoi"):
            choose(["stoi:somewhere"])
        for name in ("wer", "cer", "dwer", "speaker_similarity"):
            with pytest.raises(ValueError, match=r"no hyperparams\.yaml"):
                choose([f"{name}:{tmp_path}"])

    def test_model_is_part_of_the_definition(self, tmp_path):
        (tmp_path / "hyperparams.yaml").write_text("a: 1\n")
        first = choose([f"wer:{tmp_path}"])[0].version
        (tmp_path / "hyperparams.yaml").write_text("a: 2\n")
        assert choose([f"wer:{tmp_path}"])[0].version != first
        assert str(tmp_path.parent) not in first
