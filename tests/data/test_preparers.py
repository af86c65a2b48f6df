"""Preparers: the corpora's real layouts, and words for folders of another shape."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from dac_lobe.audio import AudioReader, write_audio
from dac_lobe.data import (
    normalise,
    prepare_an4,
    prepare_librispeech,
    prepare_ljspeech,
    prepare_manifests,
    write_manifest,
)
from dac_lobe.data.corpus import draw, split_by
from dac_lobe.data.text import normalise_all


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def sound(path: Path, seconds: float = 0.1, rate: int = 16000) -> None:
    write_audio(path, 0.1 * np.sin(np.arange(int(seconds * rate))), rate)


@pytest.fixture
def an4(tmp_path):
    """The layout of the distributed archive, twenty speakers."""
    folder = tmp_path / "an4"
    (folder / "etc").mkdir(parents=True)
    for split, part, speakers in (("train", "an4_clstk", 20), ("test", "an4test", 2)):
        ids, lines = [], []
        for number in range(speakers):
            speaker = f"{split[1]}{number:03d}"
            for line in range(2):
                name = f"an{number}{line}-{speaker}-b"
                ids.append(f"{part}/{speaker}/{name}")
                sound(folder / "wav" / part / speaker / f"{name}.wav")
                # Transcripts of the test split carry no <s>, as in the archive.
                text = "YES" if line else f"GO {chr(65 + number)}"
                marked = f"<s> {text} </s>" if split == "train" else text
                lines.append(f"{marked} ({name})")
        (folder / "etc" / f"an4_{split}.fileids").write_text("\n".join(ids) + "\n")
        path = folder / "etc" / f"an4_{split}.transcription"
        path.write_text("\n".join(lines) + "\n")
    return folder


def test_an4_as_it_is_distributed(an4, tmp_path):
    files = prepare_an4(an4, tmp_path / "out")
    rows = {name: read(path) for name, path in files.items()}
    assert {name: len(found) for name, found in rows.items()} == {
        "train": 36,
        "valid": 4,
        "test": 4,
    }
    speakers = [{row["spk_id"] for row in found} for found in rows.values()]
    assert not speakers[0] & speakers[1]
    assert not speakers[0] & speakers[2]
    first = rows["test"][0]
    assert first["wrd"] in ("GO A", "YES")
    assert first["duration"] == "0.1"
    assert first["wav"].startswith("$data_root/wav/an4test/e000/")


def test_an4_with_sentences_apart(an4, tmp_path):
    files = prepare_an4(an4, tmp_path / "out", apart="sentences")
    rows = {name: read(path) for name, path in files.items()}
    texts = [{row["wrd"] for row in found} for found in rows.values()]
    assert not texts[0] & (texts[1] | texts[2])
    assert not texts[1] & texts[2]
    known = {row["spk_id"] for row in rows["train"]}
    assert {row["spk_id"] for row in rows["valid"] + rows["test"]} <= known
    with pytest.raises(ValueError, match="'speakers' or 'sentences'"):
        prepare_an4(an4, tmp_path / "out", apart="words")


def test_an4_that_is_named_in_two_ways(an4, tmp_path, monkeypatch):
    whole = prepare_an4(an4, tmp_path / "out")
    for name, path in whole.items():
        (an4 / f"{name}.csv").write_text(
            path.read_text().replace("$data_root", str(an4))
        )
    monkeypatch.chdir(tmp_path)
    for folder in (an4, Path("an4"), Path("an4/../an4")):
        given = prepare_an4(folder, tmp_path / "again")
        for name, path in given.items():
            assert path.read_text() == whole[name].read_text()


def test_an4_of_the_audio_pack(shared_audio, tmp_path):
    files = prepare_an4(shared_audio / "asr_mini", tmp_path)
    rows = {name: read(path) for name, path in files.items()}
    assert [len(found) for found in rows.values()] == [846, 102, 130]
    assert rows["test"][0]["wrd"] == "ENTER TWO NINE EIGHT ONE"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "etc/an4_test.fileids").unlink(), "lacks an4_test"),
        (
            lambda folder: next((folder / "wav").rglob("*.wav")).unlink(),
            "has no recording",
        ),
        (
            lambda folder: (folder / "etc/an4_train.transcription").write_text("A B\n"),
            r"'A B' has no \(id\)",
        ),
        (
            lambda folder: next((folder / "wav").rglob("*.wav")).write_bytes(b"no"),
            "cannot be read",
        ),
    ],
)
def test_damaged_an4(an4, tmp_path, damage, message):
    damage(an4)
    with pytest.raises(ValueError, match=message):
        prepare_an4(an4, tmp_path / "out")


def test_librispeech(tmp_path):
    for split, speaker in (("train-clean-100", 103), ("dev-clean", 84)):
        chapter = tmp_path / "LS" / split / str(speaker) / "7"
        sound(chapter / f"{speaker}-7-0000.flac", 0.5)
        (chapter / f"{speaker}-7.trans.txt").write_text(
            f"{speaker}-7-0000 IT'S HERE AT LAST\n"
        )
    files = prepare_librispeech(tmp_path / "LS", tmp_path / "out", test=["dev-clean"])
    assert list(files) == ["train", "valid", "dev-clean"]
    row = read(files["train"])[0]
    assert row["ID"] == "103-7-0000"
    assert row["spk_id"] == "103"
    assert row["wrd"] == "IT'S HERE AT LAST"
    assert row["wav"] == "$data_root/train-clean-100/103/7/103-7-0000.flac"
    with pytest.raises(ValueError, match=r"no transcripts of 'test-clean'.*openslr"):
        prepare_librispeech(tmp_path / "LS", tmp_path / "out")


def test_ljspeech(tmp_path, caplog):
    lines = []
    for number in range(40):
        sound(tmp_path / "LJ" / "wavs" / f"LJ001-{number:04d}.wav", rate=22050)
        lines.append(f"LJ001-{number:04d}|Number {number}!|Number {number}, “ok”!")
    metadata = tmp_path / "LJ" / "metadata.csv"
    metadata.write_text("\n".join(lines) + "\n")
    files = prepare_ljspeech(tmp_path / "LJ", tmp_path / "out", 0.1, 0.1)
    rows = {name: read(path) for name, path in files.items()}
    assert [len(found) for found in rows.values()] == [32, 4, 4]
    assert rows["train"][0]["wrd"] == "NUMBER , OK!"
    assert "digits of 40 of 40 texts are left out" in caplog.text
    metadata.write_text("\n".join(lines[:2]) + "\n")
    with pytest.raises(ValueError, match="2 speakers or items .* 3 are needed"):
        prepare_ljspeech(tmp_path / "LJ", tmp_path / "out")
    metadata.write_text("LJ001-0000|only two\n")
    with pytest.raises(ValueError, match="separated by bars"):
        prepare_ljspeech(tmp_path / "LJ", tmp_path / "out")
    metadata.unlink()
    with pytest.raises(ValueError, match=r"no metadata.csv.*keithito"):
        prepare_ljspeech(tmp_path / "LJ", tmp_path / "out")


def test_ljspeech_without_recordings(tmp_path):
    (tmp_path / "metadata.csv").write_text("LJ001-0000|a|a\n")
    with pytest.raises(ValueError, match=r"wavs is no folder. Expected is"):
        prepare_ljspeech(tmp_path, tmp_path / "out")
    write_audio(tmp_path / "wavs" / ".trash" / "LJ001-0000.wav", np.zeros(8), 8000)
    with pytest.raises(ValueError, match=r"holds no .wav or .flac files"):
        prepare_ljspeech(tmp_path, tmp_path / "out")


@pytest.fixture
def manifest(tmp_path):
    """Eight speakers, two sentences each."""
    rows = []
    for number in range(16):
        sound(tmp_path / "c" / f"{number:02d}.wav")
        rows.append(
            {
                "ID": f"{number:02d}",
                "duration": 0.1,
                "wav": f"$data_root/{number:02d}.wav",
                "spk_id": f"s{number // 2}",
                "wrd": f"Hello, {chr(65 + number)}.",
            }
        )
    return write_manifest(tmp_path / "c" / "all.csv", rows)


def test_one_manifest_is_split_by_speakers(manifest, tmp_path):
    files = prepare_manifests(manifest.parent, tmp_path / "out", manifest)
    speakers = [{row["spk_id"] for row in read(path)} for path in files.values()]
    assert [len(found) for found in speakers] == [6, 1, 1]
    assert len(set.union(*speakers)) == 8
    assert read(files["train"])[0]["wrd"].startswith("HELLO ")


def test_three_manifests_are_taken_as_they_are(manifest, tmp_path):
    files = prepare_manifests(
        manifest.parent, tmp_path / "out", manifest, manifest, manifest
    )
    assert all(len(read(path)) == 16 for path in files.values())
    with pytest.raises(ValueError, match="Give both, or neither"):
        prepare_manifests(manifest.parent, tmp_path / "out", manifest, manifest)
    with pytest.raises(ValueError, match="no text in the column 'text'"):
        prepare_manifests(manifest.parent, tmp_path / "out", manifest, text="text")


def test_manifests_of_a_corpus_at_another_rate_are_its_own(tmp_path):
    """Where names, texts and all else are the same."""
    row = {"ID": "a", "wav": "$data_root/a.wav", "start_s": "0.05", "stop_s": ""}
    for rate in (16000, 44100):
        folder = tmp_path / str(rate)
        for number in range(3):
            sound(folder / f"{number}.wav", 0.1, rate)
        rows = [
            {**row, "ID": n, "wav": f"$data_root/{n}.wav", "duration": 0.05, "wrd": "A"}
            for n in range(3)
        ]
        path = write_manifest(folder / "all.csv", rows)
        files = prepare_manifests(folder, tmp_path / "out", path)
        first = read(files["train"])[0]
        assert (first["start"], first["stop"]) == (str(rate // 20), str(rate // 10))


@pytest.mark.parametrize("change", [None, "content", "place"])
def test_recordings_are_measured_again_if_they_have_changed(
    manifest, tmp_path, monkeypatch, change
):
    corpus, measured = manifest.parent, []
    prepare_manifests(corpus, tmp_path / "out", manifest)
    if change == "content":
        sound(corpus / "00.wav", 0.2)
    elif change == "place":
        corpus = corpus.rename(tmp_path / "elsewhere")

    class Reader(AudioReader):
        def __init__(self, *given):
            measured.append(given)
            super().__init__(*given)

    monkeypatch.setattr("dac_lobe.data.corpus.AudioReader", Reader)
    files = prepare_manifests(corpus, tmp_path / "out", corpus / "all.csv")
    assert len(measured) == (0 if change is None else 16)
    lengths = {row["duration"] for path in files.values() for row in read(path)}
    assert lengths == ({"0.1", "0.2"} if change == "content" else {"0.1"})


def test_texts_that_lose_letters_or_digits_are_told_once(manifest, tmp_path, caplog):
    text = manifest.read_text()
    assert "Hello, A." in text
    prepare_manifests(manifest.parent, tmp_path / "out", manifest)
    assert not caplog.records
    changed = text.replace("Hello, A.", "Call 911 now.").replace("Hello, B", "Привет B")
    manifest.write_text(changed)
    files = prepare_manifests(manifest.parent, tmp_path / "out", manifest)
    (record,) = caplog.records
    assert "2 of 16 texts" in record.getMessage()
    assert "'911' of 'Call 911 now.'" in record.getMessage()
    said = {row["wrd"] for path in files.values() for row in read(path)}
    assert {"CALL NOW", "B"} <= said
    manifest.write_text(text.replace("Hello, C.", "Привет мир"))
    with pytest.raises(
        ValueError, match=r"all\.csv, '02': nothing is left .*'Привет мир'"
    ):
        prepare_manifests(manifest.parent, tmp_path / "out", manifest)


def test_skipping(tmp_path):
    for prepare in (prepare_an4, prepare_librispeech, prepare_ljspeech):
        assert prepare(tmp_path / "nowhere", tmp_path, skip_prep=True) == {}


def test_draw_does_not_depend_on_order():
    names = [f"speaker{number}" for number in range(50)]
    assert draw(names, 0.2) == draw(names[::-1], 0.2)
    assert len(draw(names, 0.2)) == 10
    assert len(draw(names[:1], 0.01)) == 1
    with pytest.raises(ValueError, match="3 are needed"):
        split_by(["a", "b"], lambda name: name, 0.1, 0.1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  World!", "HELLO, WORLD!"),
        ("naïve café", "NAIVE CAFE"),
        ("it’s", "IT'S"),
        ("50%", ""),
        ("", ""),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("Call 911", "911"),
        ("naïve café—“ok”, it’s Straße ﬁn ™", ""),
        ("an Œuvre of x²", "Œ2"),
        ("٣ cats да", "٣ДА"),
        ("100 %, a", "100"),
    ],
)
def test_letters_and_digits_that_normalising_loses(text, lost, caplog):
    normalised = normalise_all({"a": "HELLO", "b": text})
    assert normalised == {"a": "HELLO", "b": normalise(text)}
    assert [record.args[2] for record in caplog.records] == [lost] * bool(lost)


def test_a_text_of_which_nothing_is_left():
    with pytest.raises(ValueError, match="b: nothing is left of the text '50%'"):
        normalise_all({"a": "HELLO", "b": "50%"})
