"""Recordings packed to be sent: nothing is lost but bits, and no speaker is split."""

from __future__ import annotations

import csv
import runpy
from pathlib import Path

import numpy as np
import pytest

from dac_lobe.audio import read_audio, write_audio
from dac_lobe.data.recordings import prepare_recordings
from dac_lobe.data.segments import SegmentDataset

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000
SECONDS = 2.0
LIMIT = 80_000


@pytest.fixture(scope="module")
def pack():
    return runpy.run_path(str(ROOT / "recipes/codec/pack.py"))["pack"]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> list[Path]:
    """One with a manifest: 5 speakers with 2 recordings each; one without, at 8 kHz."""
    listed, plain = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    time = np.arange(int(SECONDS * RATE)) / RATE
    rows = []
    for number in range(10):
        wav = 0.3 * np.sin(2 * np.pi * (200 + 50 * number) * time)
        name = f"wav/{number}.flac"
        (listed / "wav").mkdir(exist_ok=True)
        write_audio(listed / name, wav, RATE)
        rows.append(f"{name},s{number // 2},{SECONDS},CC0,a tone")
    text = "\n".join(["path,speaker,duration_s,licence,source", *rows])
    (listed / "manifest.csv").write_text(text)
    for name in "xy":
        write_audio(plain / f"{name}.wav", 0.3 * np.sin(time[:8000] * 3000), 8000)
    return [listed, plain]


def rows_of(piece: Path) -> list[dict[str, str]]:
    with (piece / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def pieces(pack, corpora, tmp_path_factory) -> list[Path]:
    return pack(corpora, tmp_path_factory.mktemp("out") / "p", piece_mb=LIMIT / 1e6)


def test_pieces_hold_every_recording_once_and_keep_what_is_known(pieces, corpora):
    assert len(pieces) > 1
    rows = [row for piece in pieces for row in rows_of(piece)]
    names = {f"{corpora[0].name}/wav/{n}.ogg" for n in range(10)}
    names |= {f"{corpora[1].name}/{n}.ogg" for n in "xy"}
    assert sorted(row["path"] for row in rows) == sorted(names)
    for row in rows:
        if corpora[0].name in row["path"]:
            known = [row[k] for k in ("speaker", "duration_s", "licence", "source")]
            speaker = f"s{int(Path(row['path']).stem) // 2}"
            assert known == [speaker, "2.000", "CC0", "a tone"]
        else:
            assert row["speaker"] == ""
            assert row["duration_s"] == "1.000"


def test_no_speaker_is_in_two_pieces(pieces):
    speakers = [{row["speaker"] for row in rows_of(piece)} - {""} for piece in pieces]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 5


def test_pieces_are_as_small_as_asked_for(pieces):
    for piece in pieces:
        files = [path for path in piece.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        assert 30_000 < size <= LIMIT + 100, "the header of the manifest"


def test_packed_audio_is_in_step_and_close(pieces, corpora):
    row = rows_of(pieces[0])[0]
    packed = read_audio(pieces[0] / row["path"], RATE)[0]
    folder = corpora[0] if corpora[0].name in row["path"] else corpora[1]
    name = row["path"].split("/", 1)[1]
    (path,) = (p for p in folder.rglob("*.*") if p.stem == Path(name).stem)
    wav = read_audio(path, RATE)[0]
    assert packed.shape == wav.shape
    inner = slice(1600, -1600)
    noise = packed[inner] - wav[inner]
    assert np.mean(wav[inner] ** 2) > 100 * np.mean(noise**2)


def test_rate_is_near_what_is_asked_for(pack, tmp_path):
    generator = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    wav = 0.1 * generator.standard_normal(8 * RATE)
    write_audio(tmp_path / "in" / "noise.flac", wav, RATE)
    sizes = []
    for kbps in (24, 48, 96):
        (piece,) = pack([tmp_path / "in"], tmp_path / str(kbps), kbps=kbps)
        sizes.append((piece / "in/noise.ogg").stat().st_size * 8 / 8000 / kbps)
    assert all(0.8 < share < 1.3 for share in sizes), sizes


def test_training_reads_a_piece_like_any_folder(pieces, tmp_path):
    for number, piece in enumerate(pieces):
        manifests = prepare_recordings(piece, tmp_path / str(number))
        data = SegmentDataset(
            manifests["train"], RATE, 800, 4, data_root=piece, sample_type="int16"
        )
        assert data[0]["sig"].abs().max() > 0.1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kbps": 2}, "from 6 to 256"),
        ({"sample_rate": 44100}, "48000"),
        ({"piece_mb": 0.001}, "alone takes"),
    ],
)
def test_what_cannot_be_packed_is_named(pack, corpora, tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        pack(corpora, tmp_path / "p", **options)


def test_what_is_there_is_kept(pack, corpora, tmp_path):
    with pytest.raises(ValueError, match="there already"):
        pack(corpora, tmp_path)


def test_recordings_of_one_name_are_refused(pack, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.wav", "in/a.wav"):
        write_audio(tmp_path / name, np.zeros(900), RATE)
    (tmp_path / "in" / "manifest.csv").write_text("path\na.wav\n../a.wav\n")
    with pytest.raises(ValueError, match="under this name"):
        pack([tmp_path / "in"], tmp_path / "p")


def test_parts_of_a_file_are_packed_apart(pack, tmp_path):
    (tmp_path / "in").mkdir()
    wav = 0.3 * np.sin(np.arange(2 * RATE))
    wav[RATE:] = 0
    write_audio(tmp_path / "in" / "a.wav", wav, RATE)
    text = "path,speaker,start_s,stop_s\na.wav,s,0,0.5\na.wav,s,1.5,2\n"
    (tmp_path / "in" / "manifest.csv").write_text(text)
    (piece,) = pack([tmp_path / "in"], tmp_path / "p")
    rows = rows_of(piece)
    assert [row["duration_s"] for row in rows] == ["0.500", "0.500"]
    levels = [read_audio(piece / row["path"], RATE).std() for row in rows]
    assert levels[0] > 100 * levels[1]
