"""Word and character errors: counting, the recognizers, and what has no words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given
from hypothesis import strategies as st
from toy_systems import Rounding

from evaluation import evaluate
from evaluation.metrics import METRICS, MetricError, choose, recognizers, words
from evaluation.metrics import metric as metric_module
from evaluation.metrics.metric import weights_path
from evaluation.metrics.recognizers import SPHINX, recognize
from evaluation.running.scoring import measure

CLIPS = Path(__file__).parents[2] / "demo" / "clips"
RATE = 16000


@pytest.fixture(scope="module")
def sphinx():
    """Two synthetic voices; English to us, but hardly to the recognizer."""
    try:
        weights_path(SPHINX[0])
    except MetricError as error:
        pytest.skip(str(error))
    return [
        soundfile.read(CLIPS / f"english_{who}.flac")[0] for who in ("man", "woman")
    ]


class TestCounting:
    def test_of_speechbrain(self):
        from speechbrain.utils.edit_distance import accumulatable_wer_stats

        rng = np.random.default_rng(0)
        for _ in range(50):
            one, other = (list(rng.choice(list("abc"), rng.integers(9))) for _ in "ab")
            stats = accumulatable_wer_stats([one], [other])
            errors = sum(stats[k] for k in ("insertions", "deletions", "substitutions"))
            assert words.edit_distance(one, other) == errors

    def test_with_a_recognizer_of_ones_own(self, monkeypatch):
        class Recognizer:
            hparams = type("H", (), {"sample_rate": RATE})

            def transcribe_batch(self, wavs, lengths):
                loud = float(wavs.abs().max()) > 0.5
                return (["the cat sat" if loud else "The bat, sat down!"], None)

        monkeypatch.setattr(recognizers, "_recognizer", lambda source: Recognizer())
        own = {
            name: replace(METRICS[name], options=(("model", "m"),))
            for name in ("wer", "cer", "dwer")
        }
        loud = np.sin(np.arange(RATE))
        said = "the cat sat"
        score = own["wer"].weighted(loud, 0.1 * loud, RATE, transcript=said)
        assert score == (pytest.approx(200 / 3), 3)
        assert own["dwer"].weighted(loud, 0.1 * loud, RATE) == score
        # One letter for another, and " DOWN".
        letters = own["cer"].weighted(loud, 0.1 * loud, RATE, transcript=said)
        assert letters == (pytest.approx(600 / 11), 11)
        # In silence it would hear something.
        assert own["wer"].weighted(loud, 0 * loud, RATE, transcript=said) == (100, 3)
        assert own["cer"].weighted(loud, 0 * loud, RATE, transcript=said) == (100, 11)
        assert own["dwer"].weighted(loud, 0 * loud, RATE) == (100, 3)
        for name in own:
            with pytest.raises(MetricError, match="the reference is silent"):
                own[name].weighted(0 * loud, loud, RATE, transcript=said)
        with pytest.raises(MetricError, match="no transcript"):
            own["wer"].weighted(loud, loud, RATE, transcript="")
        with pytest.raises(MetricError, match="has no words"):
            own["wer"].weighted(loud, loud, RATE, transcript="...")


class TestWords:
    @given(st.text(st.characters(codec="ascii")))
    def test_of_plain_text(self, text):
        """Letters, digits and apostrophes, upper case; all else is between words."""
        assert words.normalize(text) == re.sub(r"[^A-Z0-9']", " ", text.upper()).split()

    @given(st.text())
    @example("café Ἀθῆναι ΐ ᾴ 각 ŉ")
    def test_composed_or_not(self, text):
        one, other = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
        assert words.normalize(one) == words.normalize(other)

    @pytest.mark.parametrize("text", ["नमस्ते दुनिया", "สวัสดี", "בְּרֵאשִׁית", "கோழி"])
    def test_marks_belong_to_words(self, text):
        assert words.normalize(text) == text.split()

    @pytest.mark.parametrize(
        ("typeset", "typed"),
        [
            ("I don’t; the dogs’ ’tis", "I don't; the dogs' 'tis"),
            ("donʼt", "don't"),
            ("‘no’, he said; “I don’t.”", "no, he said; I don't."),
            ("‘I don’t’ ‘and’ ’ ‘", "I don't and"),
        ],
    )
    def test_typographic_apostrophes(self, typeset, typed):
        assert words.normalize(typeset) == words.normalize(typed)


class TestPocketSphinx:
    def test_hears_what_is_said(self, sphinx, shared_audio):
        path = shared_audio / "eval_speech_16k" / "1688-142285-0003.flac"
        wav, rate = soundfile.read(path)
        said = (
            "I REALLY LIKED THAT ACCOUNT OF HIMSELF BETTER THAN ANYTHING ELSE HE SAID"
        )
        score = METRICS["wer"].weighted(wav, wav, rate, said)
        assert score.weight == 13
        assert 0 < score.value < 40
        noise = np.random.default_rng(0).normal(size=wav.size)
        noisy = wav + 0.1 * noise
        for name in ("wer", "cer"):
            clean = METRICS[name].weighted(wav, wav, rate, said)
            assert METRICS[name].weighted(wav, noisy, rate, said).value > clean.value

    def test_the_order_of_clips_does_not_matter(self, sphinx):
        rng = np.random.default_rng(0)
        noisy = [clip + rng.normal(0, 0.02, len(clip)) for clip in sphinx]
        clips = [*sphinx, *noisy]

        def heard(order):
            found = {}
            for number in order:
                recognizers._heard.cache_clear()
                found[number] = recognize(clips[number], RATE)
            return found

        assert heard([0, 1, 2, 3]) == heard([3, 2, 1, 0]) == heard([2, 0, 3, 1])

    def test_errors_grow_with_noise(self, sphinx):
        man, _ = sphinx
        noise = np.random.default_rng(0).normal(size=man.size)
        assert METRICS["dwer"](man, man, RATE) == 0
        assert METRICS["dwer"](man, man + 0.1 * noise, RATE) > 20

    def test_silence_and_next_to_nothing(self, sphinx):
        man, _ = sphinx
        assert METRICS["wer"].weighted(man, 0 * man, RATE, "a word") == (100, 2)
        assert METRICS["cer"].weighted(man, 0 * man, RATE, "a word") == (100, 6)
        assert METRICS["dwer"](man, 0 * man, RATE) == 100
        for name in ("wer", "cer"):
            for output in (man, 0 * man):
                with pytest.raises(MetricError, match="the reference is silent"):
                    METRICS[name].weighted(0 * man, output, RATE, "a word")
        with pytest.raises(MetricError, match="the reference is silent"):
            METRICS["dwer"](0 * man, man, RATE)
        with pytest.raises(MetricError, match="too short"):
            METRICS["dwer"](man[:800], man[:800], RATE)
        click = np.zeros(RATE)
        click[100] = 0.5
        with pytest.raises(MetricError, match="no word is recognized"):
            METRICS["dwer"](click, click, RATE)

    def test_a_missing_package_is_skipped_and_named(self, sphinx, monkeypatch):
        man, _ = sphinx
        recognizers._decoder.cache_clear()
        recognizers._heard.cache_clear()
        monkeypatch.setattr(metric_module, "find_spec", lambda name: None)
        outcome = measure(METRICS["dwer"], man, man, RATE)
        assert (outcome.status, outcome.lasting) == ("skipped", False)
        assert "pocketsphinx is not installed" in outcome.reason
        assert "dac-lobe[perception]" in outcome.reason

    def test_a_folder_is_another_definition(self, tmp_path):
        (tmp_path / "hyperparams.yaml").write_text("a: 1\n")
        for name in ("wer", "cer", "dwer"):
            (bound,) = choose([f"{name}:{tmp_path}"])
            assert "PocketSphinx" in METRICS[name].definition
            assert "PocketSphinx" not in bound.definition + bound.source
            assert (METRICS[name].language, bound.language) == ("en", "")


class TestWhereItMeansNothing:
    @pytest.fixture
    def score(self, clips, tmp_path, monkeypatch):
        """Evaluate the toy clips, heard by a recognizer that always hears the same."""

        def run(manifest: str):
            (clips / "manifest.csv").write_text(manifest)
            table = evaluate(
                clips, [Rounding()], [4], ["wer"], output=tmp_path / "out",
                workers=0, report=False,
            ).utterances  # fmt: skip
            return table[table["system"] == "rounding"].set_index("utterance")

        monkeypatch.setattr(words, "recognize", lambda *given: "one two")
        return run

    def test_is_not_a_failure(self, score):
        table = score(
            "path,transcript,language\n"
            "clip0.wav,one two,en-GB\nclip1.wav,un deux,fr\nclip2.wav,,en\n"
        )
        assert list(table["status"]) == ["ok"] * 3
        assert table["wer"]["clip0"] == 0
        assert table["wer"][["clip1", "clip2"]].isna().all()
        assert "its model knows en, and this is fr" in table["reason"]["clip1"]
        assert "no transcript" in table["reason"]["clip2"]

    def test_another_transcript_is_another_score(self, score):
        manifest = "path,transcript\nclip0.wav,one two\nclip1.wav,a\nclip2.wav,b\n"
        assert score(manifest)["wer"]["clip0"] == 0
        assert score(manifest.replace("one two", "one three"))["wer"]["clip0"] == 50
