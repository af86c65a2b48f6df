"""Recordings under test, however people have them: manifests, parts, memory."""

from __future__ import annotations

import io
import logging
import os
import pickle
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from toy_recordings import RATE, voice
from toy_systems import Rounding

from dac_lobe.audio import AudioError, write_audio
from evaluation import evaluate
from evaluation.cli import main
from evaluation.metrics import MetricError
from evaluation.recordings.clips import read_clip, read_wav
from evaluation.recordings.finding import find_clips
from tests.audio.containers import contain
from tests.data.corpora import WAYS, make_corpus, told


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.mark.parametrize("way", WAYS)
def test_parts_are_the_same_in_every_manifest(corpus, tmp_path, way):
    audio, _, parts = corpus
    manifest = told(corpus, tmp_path / way, way)
    clips = find_clips(manifest, "speech", data_root=audio)
    assert [clip.name for clip in clips] == sorted(parts)
    assert len({clip.sha256 for clip in clips}) == len(parts)
    for clip in clips:
        recording, first, last = parts[clip.name]
        wav, rate = soundfile.read(audio / f"{recording}.wav", dtype="float32")
        found, found_rate = read_wav(pickle.loads(pickle.dumps(clip)))  # noqa: S301
        np.testing.assert_array_equal(found, wav[first:last])
        assert found_rate == rate


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("\n", ",,\n"),
        lambda text: text.replace(",", ";"),
        lambda text: "\ufeff" + text.replace(",", "\t"),
        lambda text: text.replace("one", '"one, or ""two"""'),
    ],
)
def test_manifests_as_spreadsheets_write_them(clips, change):
    text = "path,speaker,transcript\nclip0.wav,anna,one\nsub/é.wav,ben,two\n"
    (clips / "sub").mkdir()
    on_disk = clips / "sub" / unicodedata.normalize("NFD", "é.wav")
    soundfile.write(on_disk, voice(0.5), RATE)
    (clips / "some.csv").write_bytes(change(text).encode())
    first, second = find_clips(clips / "some.csv")
    assert (first.name, first.speaker) == ("clip0", "anna")
    assert first.transcript in ("one", 'one, or "two"')
    assert (second.name, second.path) == ("sub/é", str(on_disk))
    assert second.sha256


def test_the_columns_of_speechbrain(clips):
    (clips / "x.csv").write_text(
        "ID,duration,wav,spk_id,wrd\nb,1.1,$data_root/clip1.wav,s1,TWO\n"
    )
    (clip,) = find_clips(clips / "x.csv", data_root=clips)
    assert (clip.name, clip.speaker, clip.transcript) == ("b", "s1", "TWO")
    assert clip.domain_from == "transcript"


@pytest.mark.parametrize("way", ["absolute", "relative", "linked", "file linked"])
def test_a_manifest_with_absolute_paths_lists_each_once(clips, monkeypatch, way):
    """Wherever the folder is called from, and by whatever name."""
    rows = "".join(f"clip{n}.wav,{clips / f'clip{n}.wav'}\n" for n in range(2))
    (clips / "manifest.csv").write_text("ID,path\n" + rows)
    (clips.parent / "link").symlink_to(clips)
    (clips.parent / "file").mkdir()
    for file in clips.iterdir():
        (clips.parent / "file" / file.name).symlink_to(file)
    monkeypatch.chdir(clips.parent)
    source = {"relative": "clips", "linked": "link", "file linked": "file"}
    names = [clip.name for clip in find_clips(source.get(way, clips))]
    assert sorted(names) == ["clip0.wav", "clip1.wav", "clip2"]


def test_a_name_that_is_not_utf_8_is_refused_before_anything_is_computed(clips):
    odd = os.fsencode(clips / "clip0.wav").replace(b"clip0", b"caf\xe9")
    try:
        os.rename(clips / "clip0.wav", odd)
    except OSError:
        pytest.skip("no such names on this disk")
    with pytest.raises(ValueError, match=r"caf\\udce9\.wav.*text in UTF-8") as caught:
        find_clips(clips)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("folder", "domain"),
    [
        *((name, "speech") for name in ("speech", "LibriSpeech", "speech_2/dev-clean")),
        *((name, "music") for name in ("Music", "my-music", "FMAMusic", "MUSIC2/a")),
        *(
            (name, None)
            for name in ("amusic", "speechless/a", "musician", "deep/music/a/b")
        ),
        ("music/speech", None),
    ],
)
def test_words_of_a_folder_tell_the_domain(tmp_path, folder, domain):
    (tmp_path / folder).mkdir(parents=True)
    soundfile.write(tmp_path / folder / "a.wav", voice(0.5), RATE)
    (clip,) = find_clips(tmp_path)
    assert (clip.domain_from == "name") == (domain is not None)
    assert domain in (clip.domain, None)


def test_parts_of_one_file_have_names_of_their_own(clips):
    (clips / "manifest.csv").write_text(
        "path,start,stop,ID\nclip0.wav,0,8000,\nclip0.wav,8000,,\nclip1.wav,,,mine\n"
    )
    names = [clip.name for clip in find_clips(clips)]
    assert names == ["clip0-0-8000", "clip0-8000-end", "mine", "clip2"]


def test_copies_are_one_speaker(clips, caplog):
    """One observation, however many names it has; parts of a file are no copies."""
    (clips / "again").mkdir()
    for name in ("clip1.wav", "clip2.wav"):
        (clips / "again" / name).write_bytes((clips / name).read_bytes())
    (clips / "manifest.csv").write_text("path,speaker\nagain/clip1.wav,anna\n")
    speakers = {clip.name: clip.speaker for clip in find_clips(clips)}
    assert speakers["clip1"] == speakers["again/clip1"] == "anna"
    assert speakers["clip2"] == speakers["again/clip2"] != ""
    assert speakers["clip0"] == ""
    assert "again/clip1 = clip1; again/clip2 = clip2. Remove" in caplog.text

    twice = {"one": (voice(0.6), RATE), "two": (voice(0.6), RATE)}
    results = evaluate(twice, [Rounding()], [1, 4], ["waveform_l1"], workers=0)
    assert set(results.paired["n_clusters"]) == {1}
    assert results.paired["p"].isna().all()

    caplog.clear()
    (clips / "manifest.csv").write_text(
        "path,start,stop\nclip0.wav,0,8000\nclip0.wav,8000,\n"
    )
    for name in ("clip1.wav", "clip2.wav"):
        (clips / "again" / name).unlink()
    assert {clip.speaker for clip in find_clips(clips)} == {""}
    assert not caplog.text


def test_scores_of_a_part_are_those_of_its_samples(clips, tmp_path):
    """From a manifest, in memory, and again from the cache, through a worker."""
    (clips / "x.csv").write_text("path,start_s,stop_s,ID\nclip0.wav,0.25,0.75,part\n")
    wav, _ = soundfile.read(clips / "clip0.wav", dtype="float32")
    tables = [
        evaluate(
            source, [Rounding()], [2], ["mel_dac7", "stoi"], domain="speech",
            workers=workers, output=tmp_path / name, report=False,
        ).utterances
        for name, source, workers in [
            ("csv", clips / "x.csv", 1),
            ("memory", {"part": (wav[4000:12000], RATE)}, 1),
            ("csv", clips / "x.csv", 0),
        ]
    ]  # fmt: skip
    for table in tables:
        assert set(table["status"]) == {"ok"}
        assert table["mel_dac7"].equals(tables[0]["mel_dac7"])
    record = (tmp_path / "memory" / "results.json").read_text()
    assert "given in Python" in record
    assert "array(" not in record


WAV = np.stack([voice(0.2)[:3000]] * 2).astype(np.float32)


def written():
    file = io.BytesIO()
    soundfile.write(file, WAV.T, RATE, format="WAV", subtype="FLOAT")
    return file


FORMS = {
    "file": written,
    "bytes": lambda: written().getvalue(),
    "soundfile": lambda: (WAV.T, RATE),
    "torchaudio": lambda: (torch.from_numpy(WAV), RATE),
    "one channel": lambda: (WAV[0], RATE),
    "datasets": lambda: {"path": "x.wav", "array": WAV[0], "sampling_rate": RATE},
    "datasets, not decoded": lambda: {"path": None, "bytes": written().getvalue()},
    "torchcodec": lambda: SimpleNamespace(
        get_all_samples=lambda: SimpleNamespace(
            data=torch.from_numpy(WAV), sample_rate=RATE
        )
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_audio_in_memory(form):
    for source in (FORMS[form](), [FORMS[form]()], {"a": FORMS[form]()}):
        (clip,) = find_clips(source, "music")
        assert clip.name in ("a", "1", "x")
        assert (clip.path, clip.domain, len(clip.sha256)) == ("", "music", 64)
        np.testing.assert_allclose(read_clip(clip, RATE), WAV[0], atol=1e-7)


def test_several_at_once(clips):
    found = find_clips([(WAV, RATE), clips / "clip1.wav", str(clips / "clip2.wav")])
    assert [clip.name for clip in found] == ["1", "clip1", "clip2"]
    (alone,) = find_clips(clips / "clip1.wav")
    assert (alone.name, alone.sha256) == ("clip1", found[1].sha256)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"a": (np.zeros(9, np.int64), RATE)}, "recording 'a': .*int64"),
        ({"a": (np.full(9, 9000.0), RATE)}, "recording 'a': .*Divide by 32768"),
        ([(np.zeros((2, 3)), RATE)], "recording '1': .*which are channels"),
        ([np.zeros(9)], "recording '1': .*no rate"),
        ([b""], "empty file"),
        ([], "no recordings in what was given"),
        ({}, "no recordings in what was given"),
        (17, "int holds no recordings"),
        (["a.wav", "sub/a.wav"], "two recordings are called 'a'"),
    ],
)
def test_what_is_no_audio_is_refused_in_one_line(source, message):
    with pytest.raises(ValueError, match=message) as error:
        find_clips(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\nclip0.wav\nclip1.wav\nclip0.wav\n", r"x\.csv, line 2, and .*line 4"),
        ("path,ID\nclip0.wav,a\nclip1.wav,a\n", r"'a' is there twice.*line 2.*line 3"),
        ("path,start,stop\nclip0.wav,9,5\n", "line 2: the segment starts at 9"),
        ("path,start,stop\nclip0.wav,0.5,1.5\n", "Seconds go into columns start_s"),
        ("path,domain\nclip0.wav,birds\n", r"line 2: domain 'birds' of clip0"),
        ("path,duration\nclip0.wav,long\n", "'long' is not a number of seconds"),
        ("path,speaker\nclip0.wav\n", "line 2: 1 values, and there are 2"),
        ("path\n\n", "is empty"),
        ("file\nclip0.wav\n", "lacks ID, duration, wav"),
    ],
)
def test_bad_manifests(clips, text, message):
    (clips / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        find_clips(clips / "x.csv")
    assert "\n" not in str(error.value)


def test_a_part_that_is_not_there_is_a_row(clips):
    (clips / "x.csv").write_text(
        "path,start,stop\nclip0.wav,0,99999\nclip1.wav,0,8000\nmissing.wav,,\n"
    )
    table = evaluate(
        clips / "x.csv", [Rounding()], [2], ["mel_dac7"], workers=0
    ).utterances.set_index("utterance")
    assert list(table["status"]) == ["failed", "ok", "failed"]
    reason = table["reason"]["clip0-0-99999"]
    assert "lacks a part: the segment [0, 99999] samples is not in its 16000" in reason
    assert "no such file" in table["reason"]["missing"]


def test_a_duration_far_off_is_said_once(clips, caplog):
    (clips / "x.csv").write_text(
        "path,duration\nclip0.wav,99\nclip1.wav,1.11\nclip2.wav,7\nmissing.wav,5\n"
    )
    with caplog.at_level(logging.WARNING):
        assert len(find_clips(clips / "x.csv")) == 4
    assert [record.getMessage() for record in caplog.records] == [
        "the manifest's duration is far off in 2 of 4 items (clip0: 99.00 s stated, "
        "1.00 s found); what was found is used"
    ]


def test_cut_off_recordings_are_said_once_or_refused(clips, caplog, tmp_path, capsys):
    path = clips / "clip1.wav"
    path.write_bytes(path.read_bytes()[:20000])
    options = {"metrics": ["mel_dac7"], "workers": 0, "domain": "speech"}
    with caplog.at_level(logging.WARNING):
        evaluate(clips, [Rounding()], [1, 2], **options)
    said = "1 of 3 recordings are cut off: .*clip1.wav promises 17600 samples and holds"
    assert len(caplog.records) == 1
    with pytest.raises(AudioError, match=said):
        evaluate(clips, [Rounding()], [1, 2], **options, strict=True)
    given = [str(clips), "--model", "identity", "--strict", "-o", str(tmp_path / "o")]
    assert main(given) == 1
    assert "clip1.wav promises 17600 samples" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_other_containers(clips):
    pytest.importorskip("av")
    tone = contain(clips / "tone.m4a", "aac")
    named = {clip.name: clip for clip in find_clips(clips, "speech")}
    assert list(named) == ["clip0", "clip1", "clip2", "tone"]
    found = read_clip(named["tone"], 48000)
    assert abs(len(found) - len(tone)) < 3000


def test_a_damaged_container_is_a_row(clips):
    (clips / "bad.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(64))
    (clip,) = find_clips(clips / "bad.m4a", "speech")
    with pytest.raises(MetricError, match="cannot be decoded|needs PyAV") as error:
        read_clip(clip, RATE)
    assert str(clips) not in str(error.value)


def test_samples_out_of_scale_are_a_row(clips):
    write_audio(clips / "loud.wav", np.full((1, 900), 9e3, np.float32), RATE, "FLOAT")
    (clip,) = find_clips(clips / "loud.wav", "speech")
    with pytest.raises(MetricError, match="up to 9000.*Divide by 32768"):
        read_clip(clip, RATE)
