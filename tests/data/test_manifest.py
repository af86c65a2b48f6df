"""Manifests: three ways in, and errors that show what was expected and found."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dac_lobe.audio import AudioError, write_audio
from dac_lobe.data import compare_headers, read_manifest, write_manifest
from dac_lobe.data.tables import rows_of_json

TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1
).filter(lambda text: text.strip() == text)


@given(
    st.dictionaries(TEXT, st.tuples(st.floats(0, 1e6), TEXT), min_size=1, max_size=5)
)
def test_csv_round_trip(tmp_path_factory, entries):
    """Commas, quotes and any letters survive."""
    path = tmp_path_factory.mktemp("m") / "x.csv"
    rows = [
        {"ID": name, "duration": duration, "wav": "$data_root/a.wav", "wrd": text}
        for name, (duration, text) in entries.items()
    ]
    items = read_manifest(write_manifest(path, rows), data_root="/r")
    assert [item.id for item in items] == sorted(entries)
    for item in items:
        assert (item.duration, item.fields["wrd"]) == entries[item.id]
        assert item.wav == "/r/a.wav"


def test_json_as_speechbrain_writes_it(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps(
            {
                "b": {"wav": "{data_root}/b.wav", "length": 2.5, "words": "HI"},
                "a": {"wav": "{data_root}/a.wav", "duration": 1},
            }
        )
    )
    first, second = read_manifest(path)
    assert (first.id, first.duration) == ("a", 1.0)
    assert (second.wav, second.duration) == (f"{tmp_path}/b.wav", 2.5)
    assert second.fields["words"] == "HI"


@pytest.mark.parametrize("name", ["NA", "nan", "1e5", "007", "null", "True"])
def test_ids_stay_as_they_are_written(tmp_path, name):
    """No table guesses types; and in JSON the key is the id, as in SpeechBrain."""
    (tmp_path / "x.csv").write_text(f"ID,duration,wav\n{name},1,a.wav\n")
    entry = {"wav": "a.wav", "duration": 1, "ID": "other"}
    (tmp_path / "x.json").write_text(json.dumps({name: entry}))
    for file in ("x.csv", "x.json"):
        assert [item.id for item in read_manifest(tmp_path / file)] == [name]


def test_a_large_json_is_read_quickly(tmp_path):
    """In half a second; comparing every id with every other takes over half a minute."""
    entries = {f"{n:09d}": {"wav": "a.wav", "duration": 1} for n in range(2**16)}
    (tmp_path / "x.json").write_text(json.dumps(entries))
    started = time.process_time()
    assert len(list(rows_of_json(tmp_path / "x.json"))) == 2**16
    assert time.process_time() - started < 8


@pytest.mark.parametrize(
    "text",
    ["ID,duration,wav\na,1,b\0.wav\n", '{"a": {"wav": "b\\u0000.wav", "duration": 1}}'],
)
def test_a_path_with_a_zero_byte_is_refused(tmp_path, text):
    path = tmp_path / ("a.json" if text[0] == "{" else "a.csv")
    path.write_text(text)
    with pytest.raises(ValueError, match=r"manifest .*(line 2|entry).*zero byte"):
        read_manifest(path)


@pytest.mark.parametrize("name", [b"a\tb.wav", b"a\nb.wav", b"caf\xe9.wav"])
def test_names_that_no_table_holds(tmp_path, name):
    written = write_audio(tmp_path / "x.wav", np.zeros(8), 8000)
    try:
        os.rename(written, os.fsencode(tmp_path) + b"/" + name)
    except OSError:
        pytest.skip("the file system takes no such name")
    with pytest.raises(ValueError, match="must be text in UTF-8. Rename it") as error:
        read_manifest(tmp_path)
    assert str(error.value).isascii()
    assert "\n" not in str(error.value)


def test_folder(tmp_path):
    write_audio(tmp_path / "s1" / "b.flac", np.zeros(800), 8000)
    write_audio(tmp_path / "a.wav", np.zeros(800), 16000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "notes.txt").write_text("not audio")
    items = read_manifest(tmp_path)
    assert [(item.id, item.duration) for item in items] == [
        ("a", 0.05),
        ("broken", 0.0),
        ("s1/b", 0.1),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "", "has the columns none; needed are ID, duration, wav"),
        ("x.csv", "ID,wav\na,b\n", "lacks duration: it has the columns ID, wav"),
        ("x.csv", "ID,duration,wav\n", "is empty"),
        ("x.csv", "ID,duration,wav\na,1\n", "line 2: 2 values, and there are 3"),
        ("x.csv", "ID,duration,wav\na,1,b,c\n", "line 2: 4 values, and .*: ID, dur"),
        ("x.csv", "file\na.wav\n", r"x\.csv, line 1, lacks ID, .* or path alone"),
        ("x.csv", "path,ID\n,b\n", "line 2: ID 'b', path ''. Both are needed"),
        ("x.csv", 'path\n"  "\n', "line 2: ID '  ', path '  '. Both are needed"),
        ("x.csv", f"path\na\n{'b' * 140000}\n", r"x\.csv, line 3 is not CSV: field la"),
        ("x.csv", "ID,duration,wav\na,one,b\n", "'one' is not a number of seconds"),
        ("x.csv", "ID,duration,wav\na,-1,b\n", "'-1' is not a number"),
        ("x.csv", "ID,duration,wav\na,inf,b\n", "'inf' is not a number"),
        ("x.csv", "ID,duration,wav\n,1,b\n", "line 2: ID ''"),
        (
            "x.csv",
            "ID,duration,wav\na,1,b\na,2,c\n",
            "'a' is there twice: .*x.csv, line 2, and .*x.csv, line 3",
        ),
        ("x.json", "{", "is not JSON"),
        ("x.json", "[]", "not an object of objects"),
        ("x.json", '{"a": {"wav": "b"}}', "'wav' and 'duration' are needed"),
        ("x.json", "{}", "is empty"),
    ],
)
def test_bad_files(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_manifest(tmp_path / name)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="Give a CSV"):
        read_manifest(tmp_path / "x.csv")
    with pytest.raises(ValueError, match=r"holds no audio file.*\.wav"):
        read_manifest(tmp_path)


def test_two_files_of_one_name(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros(8), 8000)
    write_audio(tmp_path / "a.flac", np.zeros(8), 8000)
    with pytest.raises(
        ValueError, match=r"'a' is there twice: .*a\.flac, and .*a\.wav"
    ):
        read_manifest(tmp_path)


def test_rows_must_agree(tmp_path):
    row = {"ID": "a", "duration": 1, "wav": "a.wav"}
    with pytest.raises(ValueError, match="in every row"):
        write_manifest(tmp_path / "x.csv", [row, {**row, "wrd": "A"}])
    with pytest.raises(ValueError, match="no recordings"):
        write_manifest(tmp_path / "x.csv", [])
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("name", ["talk.dac", "talk.json"])
def test_what_is_no_text_is_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"DACL\x88\x9a\x00")
    with pytest.raises(
        ValueError, match=f"manifest .*{name} is not.*UTF-8|{name} is not JSON"
    ):
        read_manifest(path)


@pytest.mark.parametrize("name", ["x.csv", "x.json", "wav.scp"])
def test_the_line_that_is_not_in_utf8_is_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbfpath,speaker\na.wav,Anna\nb.wav,Ren\xe9\n")
    said = rf"manifest .*{name} is not .* in UTF-8: line 3 holds the byte 0xe9. Save it"
    with pytest.raises(ValueError, match=said):
        read_manifest(tmp_path if name == "wav.scp" else path)


def test_every_search_of_a_folder_finds_the_same(tmp_path):
    from dac_lobe.cli.tasks import plan
    from dac_lobe.disk.suffixes import AUDIO_SUFFIXES
    from evaluation.recordings.finding import find_clips
    from evaluation.systems.folder import DecodedFolder

    (tmp_path / ".cache").mkdir()
    for name in [".hidden.wav", ".cache/part.wav", "notes.txt"]:
        (tmp_path / name).touch()
    for number, suffix in enumerate(sorted(AUDIO_SUFFIXES)):
        (tmp_path / f"{number}{suffix}").touch()
    searches = [
        {item.wav for item in read_manifest(tmp_path)},
        {clip.path for clip in find_clips(tmp_path, domain="speech")},
        {str(t.source) for t in plan([tmp_path], None, AUDIO_SUFFIXES, ".dac").tasks},
    ]
    assert searches[0] == searches[1] == searches[2]
    assert len(searches[0]) == len(AUDIO_SUFFIXES)
    system = DecodedFolder(tmp_path)
    before = system.fingerprint()
    (tmp_path / ".hidden.wav").write_bytes(b"more")
    assert system.fingerprint() == before


@pytest.mark.parametrize("source", ["", "x.csv", "wav.scp"])
def test_no_header_is_read_twice(tmp_path, source):
    path = tmp_path / "a.wav"
    write_audio(path, np.zeros(800), 8000)
    path.write_bytes(path.read_bytes()[:-200])
    if source:
        text = {"x.csv": "path\na.wav\n", "wav.scp": f"a {path}\n"}[source]
        (tmp_path / source).write_text(text)
    items = read_manifest(tmp_path if source == "wav.scp" else tmp_path / source)
    path.unlink()
    with pytest.raises(AudioError, match="1 of 1 recordings are cut off"):
        compare_headers(items, strict=True)
