"""Folders of recordings for training a codec: what is listed, and how it is split."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from dac_lobe.audio import read_audio, write_audio
from dac_lobe.data import read_manifest
from dac_lobe.data.recordings import find_recordings, prepare_recordings


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def sound(path: Path, seconds: float = 0.1, rate: int = 16000) -> None:
    write_audio(path, 0.1 * np.sin(np.arange(int(seconds * rate))), rate)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,speaker\na.wav,anna\n", "line 1, lacks .*, or path alone"),
        ("path,speaker\na.wav,anna\nb.wav\n", "line 3: 1 values"),
        ("path,duration_s\na.wav,1.0\nb.wav,two\n", "line 3: .*'two'"),
        ("path,duration_s\na.wav,nan\n", "line 2: .*'nan'"),
        ("path,speaker\n,anna\n", "line 2: .*path ''"),
        ("path,speaker\n", "is empty"),
        ("", "lacks .*, or path alone"),
        ("path,start_s,stop_s\na.wav,3,1\n", "line 2: the segment starts at 3"),
    ],
)
def test_a_wrong_listing_is_named_with_its_line(tmp_path, text, message):
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(ValueError, match=f"manifest.csv.*{message}"):
        prepare_recordings(tmp_path, tmp_path / "out")


def test_a_listing_separated_by_semicolons(tmp_path):
    text = "path;speaker;duration_s\na.wav;anna, of x;1\nb.wav;;2\n"
    (tmp_path / "manifest.csv").write_text(text)
    found = [(i.id, i.fields["speaker"], i.duration) for i in find_recordings(tmp_path)]
    assert found == [("a", "anna, of x", 1.0), ("b", "", 2.0)]


def listing(folder: Path, rows: list[str], header: str = "path,speaker,duration_s"):
    """A folder with a manifest.csv; the recordings need not be there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def speakers_of(path: Path) -> set[str]:
    return {row["spk_id"] for row in read(path)}


@pytest.mark.parametrize("columns", ["start_s,stop_s", "start,stop"])
def test_parts_of_files_are_trained_on_as_parts(tmp_path, columns):
    """Each split reads the samples that the listing names, and no others."""
    ends = [(0.25, 0.75), (0.5, "")]
    if columns == "start,stop":
        ends = [(4000, 12000), (8000, "")]
    rows = []
    for speaker in range(4):
        sound(tmp_path / "c" / f"{speaker}.wav", 1.0)
        rows += [f"{speaker}.wav,s{speaker},1.0,{a},{b}" for a, b in ends]
        rows.append(f"{speaker}.wav,s{speaker},1.0,,")
    listing(tmp_path / "c", rows, f"path,speaker,duration_s,{columns}")
    files = prepare_recordings(tmp_path / "c", tmp_path / "out", min_valid_seconds=0)
    items = read_manifest(files["train"], tmp_path / "c")
    items += read_manifest(files["valid"], tmp_path / "c")
    assert sorted(item.duration for item in items) == [0.5] * 8 + [1.0] * 4
    for item in items:
        whole = read_audio(item.wav, 16000)[0]
        part = read_audio(item.wav, 16000, item.segment)[0]
        listed = (whole[4000:12000], whole[8000:], whole)
        assert [np.array_equal(part, one) for one in listed].count(True) == 1


def test_parts_of_one_file_are_not_apart(tmp_path):
    """Without speakers, a file whose parts were in both splits would leak."""
    for name in "abcd":
        sound(tmp_path / "c" / f"{name}.wav", 1.0)
    rows = [
        f"{name}.wav,{start},{start + 0.1}" for name in "abcd" for start in (0, 0.5)
    ]
    listing(tmp_path / "c", rows, "path,start_s,stop_s")
    files = prepare_recordings(tmp_path / "c", tmp_path / "out")
    wavs = [{row["wav"] for row in read(path)} for path in files.values()]
    assert not wavs[0] & wavs[1]
    assert [len(found) for found in wavs] == [3, 1]


@pytest.mark.parametrize("way", ["full paths", "beside", "kaldi"])
def test_recordings_that_lie_elsewhere(tmp_path, way, monkeypatch):
    """Whatever the folder says of them is where the manifests find them."""
    for number in range(4):
        sound(tmp_path / "audio" / f"{number}.wav")
    monkeypatch.chdir(tmp_path)
    if way == "kaldi":
        Path("list").mkdir()
        lines = [f"u{n} {tmp_path}/audio/{n}.wav\n" for n in range(4)]
        Path("list/wav.scp").write_text("".join(lines))
        lines = [f"u{n} s{n // 2}\n" for n in range(4)]
        Path("list/utt2spk").write_text("".join(lines))
    else:
        place = tmp_path / "audio" if way == "full paths" else Path("../audio")
        listing(Path("list"), [f"{place}/{n}.wav,s{n // 2}," for n in range(4)])
    for folder in (tmp_path / "list", Path("list")):
        for more in (False, True):
            sound(Path("other/x.wav"))
            sound(Path("other/y.wav"))
            main, others = ("other", [folder]) if more else (folder, [])
            files = prepare_recordings(main, tmp_path / "out", more_folders=others)
            items = [
                item for path in files.values() for item in read_manifest(path, main)
            ]
            listed = [item for item in items if item.fields["spk_id"]]
            assert len(listed) == 4
            assert all(Path(item.wav).is_file() for item in items)
            both = speakers_of(files["train"]) & speakers_of(files["valid"])
            assert both <= {""}


def test_a_speaker_of_two_folders_is_held_out_of_both(tmp_path):
    rows = [f"{number}.wav,s{number},5" for number in range(40)]
    folders = [listing(tmp_path / "a", rows[:10]), listing(tmp_path / "b", rows[5:])]
    files = prepare_recordings(folders[0], tmp_path / "out", more_folders=folders[1:])
    valid = speakers_of(files["valid"])
    assert valid
    assert not valid & speakers_of(files["train"])
    names = {f"s{number}" for number in range(40)}
    assert valid | speakers_of(files["train"]) == names


def test_folders_that_share_no_speaker_are_split_as_they_are_alone(tmp_path):
    folders = []
    for name in "abc":
        rows = [f"{number}.wav,{name}{number},5" for number in range(30)]
        folders.append(listing(tmp_path / name, rows))
    folders.append(listing(tmp_path / "d", [f"{n}.wav,," for n in range(9)]))
    for number in range(9):
        sound(tmp_path / "d" / f"{number}.wav")
    alone = set()
    for folder in folders:
        files = prepare_recordings(folder, tmp_path / "out")
        alone |= {(folder.name, Path(r["wav"]).name) for r in read(files["valid"])}
    files = prepare_recordings(folders[0], tmp_path / "out", more_folders=folders[1:])
    rows = read(files["valid"])
    wavs = [Path(row["wav"].replace("$data_root", "a")) for row in rows]
    assert {(wav.parent.name, wav.name) for wav in wavs} == alone


def test_two_more_folders_of_one_name_are_refused(tmp_path):
    rows = ["1.wav,p,5", "2.wav,q,5"]
    folders = [listing(tmp_path / name / "clips", rows) for name in "xy"]
    with pytest.raises(ValueError, match=r"more_folders: .*one name.*Rename one"):
        prepare_recordings(folders[0], tmp_path / "out", more_folders=folders)


def test_recordings_that_cannot_be_read_are_counted(tmp_path, caplog):
    sound(tmp_path / "a.wav")
    sound(tmp_path / "b.wav")
    (tmp_path / "c.wav").write_bytes(b"RIFF")
    assert [item.id for item in find_recordings(tmp_path)] == ["a", "b"]
    assert "1 of 3 recordings" in caplog.text
