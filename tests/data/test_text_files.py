"""Text files as people have them, and one corpus told in three ways."""

from __future__ import annotations

import gzip
import logging
import unicodedata

import numpy as np
import pytest
import torch

from dac_lobe.audio import AudioReader, Segment, write_audio
from dac_lobe.data import prepare_manifests, read_manifest
from dac_lobe.tokens import TokenStore, extract
from tests.data.corpora import WAYS, make_corpus, told

PLAIN = "ID,duration,wav,wrd\na,0.1,$data_root/a.wav,HELLO\nb,0.2,$data_root/b.wav,X\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "\ufeff" + text, ""),
        (lambda text: text.replace("\n", "\r\n"), ""),
        (lambda text: "\ufeff" + text.replace("\n", "\r\n"), ""),
        (lambda text: text.replace(",", ";"), "semicolons"),
        (lambda text: "\ufeff" + text.replace(",", "\t"), "tabs"),
        (lambda text: text.replace("HELLO", '"HELLO, ""YOU"""'), ""),
        (lambda text: text.replace(",", ", "), ""),
    ],
)
def test_csv_as_spreadsheets_write_it(tmp_path, change, said, caplog):
    (tmp_path / "x.csv").write_bytes(change(PLAIN).encode())
    items = read_manifest(tmp_path / "x.csv", "/r")
    assert [(item.id, item.duration, item.wav) for item in items] == [
        ("a", 0.1, "/r/a.wav"),
        ("b", 0.2, "/r/b.wav"),
    ]
    assert items[0].fields["wrd"] in ("HELLO", 'HELLO, "YOU"')
    assert said in caplog.text
    assert bool(said) == bool(caplog.records)


def test_json_with_a_byte_order_mark_and_an_id_twice(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('\ufeff{"a": {"wav": "a.wav", "duration": 1}}', encoding="utf-8")
    assert read_manifest(path)[0].wav == str(tmp_path / "a.wav")
    path.write_text(
        '{"a": {"wav": "b", "duration": 1}, "a": {"wav": "c", "duration": 2}}'
    )
    with pytest.raises(ValueError, match=r"x\.json has 'a' twice"):
        read_manifest(path)


def test_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/x")
    composed = unicodedata.normalize("NFC", "é.wav")
    on_disk = unicodedata.normalize("NFD", "é.wav")
    write_audio(tmp_path / on_disk, np.zeros(8), 8000)
    rows = "".join(
        f"{number},1,{wav}\n"
        for number, wav in enumerate(
            ["~/a.wav", "sub/b.wav", "/c.wav", composed, "~nobody.wav"]
        )
    )
    (tmp_path / "x.csv").write_text("ID,duration,wav\n" + rows, encoding="utf-8")
    assert [item.wav for item in read_manifest(tmp_path / "x.csv")] == [
        "/home/x/a.wav",
        str(tmp_path / "sub/b.wav"),
        "/c.wav",
        str(tmp_path / on_disk),
        str(tmp_path / "~nobody.wav"),
    ]


@pytest.mark.parametrize(
    ("header", "cells", "segment"),
    [
        ("start,stop", "5,9", Segment(5, 9)),
        ("start,stop", "5,", Segment(5, None)),
        ("start,stop", ",9", Segment(0, 9)),
        ("start,stop", ",", None),
        ("start_s,stop_s", "0.5,1.25", Segment(0.5, 1.25, seconds=True)),
        ("start_seconds,stop_seconds", "0,2", Segment(0, 2, seconds=True)),
    ],
)
def test_columns_of_segments(tmp_path, header, cells, segment):
    (tmp_path / "x.csv").write_text(f"ID,duration,wav,{header}\na,1,a.wav,{cells}\n")
    item = read_manifest(tmp_path / "x.csv")[0]
    assert item.segment == segment


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        ("start,stop", "9,5", "line 2: the segment starts at 9 and stops at 5"),
        ("start,stop", "5,5", "0 <= start < stop"),
        ("start,stop", "-1,5", "0 <= start < stop"),
        ("start,stop", "0.5,1.5", "whole numbers. Seconds go into columns start_s"),
        ("start,stop", "one,two", "line 2: start 'one'"),
        ("start_s,stop_s", "nan,1", "0 <= start < stop"),
        ("start_s,stop_s", "0,inf", "0 <= start < stop"),
        (
            "start_s,end_s",
            "0,0.5",
            "line 2: end_s is '0.5', without a start and a stop",
        ),
        ("start,end", "0,8", "line 2: end is '8', without a start and a stop"),
        ("start_s,stop", "0.5,9", "line 2: start_s is '0.5', without"),
        ("end", "8000", "line 2: end is '8000', without a start and a stop"),
        ("start_s,end_s", ",0.5", "line 2: end_s is '0.5', without"),
        ("begin,end", "0.2,0.5", "begin is '0.2', .* Name the columns start and stop"),
        ("start_time,end_time", "0.2,0.5", "line 2: start_time is '0.2', without"),
        ("end_time", "0.5", "line 2: end_time is '0.5', without"),
        ("offset", "0.5", "line 2: offset is '0.5', without"),
        ("num_frames", "800", "line 2: num_frames is '800', without"),
        ("start,num_frames", "8,800", "line 2: num_frames is '800', without"),
    ],
)
def test_segments_that_cannot_be(tmp_path, header, cells, message):
    (tmp_path / "x.csv").write_text(f"ID,duration,wav,{header}\na,1,a.wav,{cells}\n")
    with pytest.raises(ValueError, match=message) as error:
        read_manifest(tmp_path / "x.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("header", ["end", "start_s,end_s", "begin,num_frames"])
def test_empty_columns_of_other_names_are_whole_files(tmp_path, header):
    cells = "," * header.count(",")
    (tmp_path / "x.csv").write_text(f"ID,duration,wav,{header}\na,1,a.wav,{cells}\n")
    assert read_manifest(tmp_path / "x.csv")[0].segment is None


@pytest.mark.parametrize("sides", [("0", "1"), ("1", "2"), ("left", "right")])
def test_speakers_of_a_call_are_not_one_recording(tmp_path, sides):
    rows = "".join(f"{side},1,call.wav,{side}\n" for side in sides)
    (tmp_path / "x.csv").write_text(f"ID,duration,wav,channel\n{rows}")
    message = f"call.wav' is there with the channels '{sides[0]}' and '{sides[1]}'"
    with pytest.raises(ValueError, match=message):
        read_manifest(tmp_path / "x.csv")


def test_a_channel_that_is_the_same_for_a_file_is_let_pass(tmp_path):
    rows = "a,1,a.wav,0\nb,1,a.wav,0\nc,1,a.wav,\nd,1,d.wav,1\n"
    (tmp_path / "x.csv").write_text(f"ID,duration,wav,channel\n{rows}")
    assert [item.id for item in read_manifest(tmp_path / "x.csv")] == list("abcd")


@pytest.mark.parametrize("column", ["ID", "id", "Id"])
def test_an_id_in_any_case_names_a_path(tmp_path, column):
    (tmp_path / "x.csv").write_text(f"{column},duration,path\nmine,1,a.wav\n,1,b.wav\n")
    assert [item.id for item in read_manifest(tmp_path / "x.csv")] == ["b", "mine"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def tokens_of(corpus, model, folder, way):
    manifest = told(corpus, folder / way, way)
    extract(manifest, folder / f"{way}.store", model, data_root=corpus[0])
    store = TokenStore(folder / f"{way}.store")
    return {name: store[name] for name in store}


@pytest.mark.parametrize("way", WAYS)
def test_one_corpus_in_every_way_gives_the_same_tokens(corpus, tiny_dac, tmp_path, way):
    model = tiny_dac.save(tmp_path / "tiny.safetensors")
    audio, rates, parts = corpus
    found = tokens_of(corpus, model, tmp_path, way)
    assert sorted(found) == sorted(parts)
    for name, (r, first, last) in parts.items():
        with AudioReader(audio / f"{r}.wav") as reader:
            wav = np.concatenate(list(reader.blocks()), 1)[0, first:last]
        expected = tiny_dac.encode_file((wav, rates[r])).codes[0].T
        assert torch.equal(found[name], torch.from_numpy(expected.astype(np.int64)))


def test_an4_in_three_ways_gives_equal_stores(shared_audio, tiny_dac, tmp_path):
    files = sorted((shared_audio / "asr_mini").rglob("*.flac"))[:4]  # of AN4
    if not files:
        pytest.skip("AN4 is not here")
    (tmp_path / "audio").mkdir()
    rates, parts = {}, {}
    for number, file in enumerate(files):
        with AudioReader(file) as reader:
            wav = np.concatenate(list(reader.blocks()), 1)
            rates[f"r{number}"] = reader.sample_rate
        write_audio(tmp_path / f"audio/r{number}.wav", wav, reader.sample_rate)
        half = wav.shape[1] // 2
        parts[f"a{number}"] = (f"r{number}", 0, half)
        parts[f"b{number}"] = (f"r{number}", half, wav.shape[1])
    model = tiny_dac.save(tmp_path / "tiny.safetensors")
    an4 = tmp_path / "audio", rates, parts
    first, *others = (
        tokens_of(an4, model, tmp_path, way)
        for way in ("speechbrain", "kaldi", "lhotse")
    )
    assert len(first) == 8
    for other in others:
        assert list(other) == list(first)
        assert all(torch.equal(first[name], other[name]) for name in first)


def test_preparers_keep_segments(corpus, tmp_path):
    audio, _, parts = corpus
    path = told(corpus, tmp_path / "csv", "csv")
    lines = path.read_text().splitlines()
    rows = [f"{line},{'wrd' if not n else 'YES'}" for n, line in enumerate(lines)]
    path.write_text("\n".join(rows) + "\n")
    files = prepare_manifests(audio, tmp_path / "out", path, path, path)
    for item in read_manifest(files["train"], audio):
        _, first, last = parts[item.id]
        assert item.segment == Segment(first, last)


def test_a_duration_far_off_is_said_once(corpus, tiny_dac, tmp_path, caplog):
    audio, _, _ = corpus
    model = tiny_dac.save(tmp_path / "tiny.safetensors")
    text = "ID,duration,wav\na,99,$data_root/r1.wav\nb,98,$data_root/r2.wav\n"
    (tmp_path / "x.csv").write_text(text)
    with caplog.at_level(logging.WARNING):
        report = extract(tmp_path / "x.csv", tmp_path / "s", model, data_root=audio)
    assert "far off in 2 of 2 items (a: 99.00 s stated, 0.25 s found)" in caplog.text
    assert len(caplog.records) == 1
    assert report.audio_seconds == 0.75
    right = text.replace("99", "0.25").replace("98", "0.5")
    (tmp_path / "x.csv").write_text(right)
    extract(tmp_path / "x.csv", tmp_path / "t", model, data_root=audio)
    assert len(caplog.records) == 1
    for name in "ab":
        one, other = TokenStore(tmp_path / "s"), TokenStore(tmp_path / "t")
        assert torch.equal(one[name], other[name])


def test_a_segment_past_the_end_is_a_failure_of_one_item(corpus, tiny_dac, tmp_path):
    model = tiny_dac.save(tmp_path / "tiny.safetensors")
    (tmp_path / "x.csv").write_text(
        "ID,duration,wav,start,stop\na,1,$data_root/r1.wav,0,99999\n"
        "b,0.1,$data_root/r1.wav,0,1600\n"
    )
    report = extract(tmp_path / "x.csv", tmp_path / "s", model, data_root=corpus[0])
    assert report.items == 1
    assert "the segment [0, 99999] samples is not in its 4000" in report.failures["a"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"wav.scp": "r1 sox a.wav -t wav - |\n"}, "made by a command"),
        ({"wav.scp": "r1 a.wav\nr1 b.wav\n"}, "'r1' is there twice"),
        ({"wav.scp": "r1\n"}, "line 1: 'r1' has only a name"),
        ({"wav.scp": "r1 a.wav\n", "segments": "u r2 0 1\n"}, "no recording 'r2'"),
        ({"wav.scp": "r1 a.wav\n", "segments": "u r1 0\n"}, "line 1: 'r1 0'"),
        ({"wav.scp": "r1 a.wav\n", "segments": "u r1 2 1\n"}, "starts at 2"),
        ({"wav.scp": ""}, "is empty|holds no"),
    ],
)
def test_bad_folders_of_kaldi(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_manifest(tmp_path)
    assert "\n" not in str(error.value)


def test_separators_of_unicode_do_not_end_a_line_of_kaldi(tmp_path):
    said = "ONE\x85TWO\u2028THREE\x1cFOUR"
    (tmp_path / "wav.scp").write_text("a a.wav\r\n", newline="")
    (tmp_path / "text").write_text(f"a {said}\r\n", newline="", encoding="utf-8")
    assert [item.fields for item in read_manifest(tmp_path)] == [{"wrd": said}]


def cuts_of_two_channels(folder):
    lhotse = pytest.importorskip("lhotse")
    wav = np.zeros((2, 8000), np.float32)
    recording = lhotse.Recording.from_file(write_audio(folder / "r.wav", wav, 8000))
    said = [
        lhotse.SupervisionSegment("2", "r", 0.5, 0.4, text="TWO", speaker="a"),
        lhotse.SupervisionSegment("1", "r", 0.0, 0.4, text="ONE", speaker="a"),
    ]
    one = lhotse.MonoCut("a", 0, 1, 1, recording=recording, supervisions=said)
    both = lhotse.MultiCut("a", 0, 1, [0, 1], recording=recording, supervisions=said)
    return lhotse, one, both


def test_a_cut_has_all_channels_and_all_that_is_said(tmp_path):
    lhotse, _, both = cuts_of_two_channels(tmp_path)
    lhotse.CutSet.from_cuts([both.resample(16000)]).to_file(tmp_path / "x.jsonl")
    (item,) = read_manifest(tmp_path / "x.jsonl")
    assert item.fields == {"wrd": "ONE TWO", "spk_id": "a"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one, both: one, r"channels \[1\] of \[0, 1\]"),
        (lambda one, both: both.perturb_volume(2.0), "Volume"),
        (lambda one, both: both.perturb_speed(1.1), "Speed"),
    ],
)
def test_cuts_that_are_not_their_files(tmp_path, change, message):
    lhotse, *cuts = cuts_of_two_channels(tmp_path)
    lhotse.CutSet.from_cuts([change(*cuts)]).to_file(tmp_path / "x.jsonl")
    with pytest.raises(ValueError, match=message) as error:
        read_manifest(tmp_path / "x.jsonl")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON lines"),
        ('{"id": "a"}\n', "is no MonoCut"),
        (
            '{"id": "a", "type": "MonoCut", "start": 0, "duration": 1, "channel": 0}\n',
            "no recording",
        ),
        ("[1]\n", "is no MonoCut"),
    ],
)
def test_bad_cuts(tmp_path, text, message):
    pytest.importorskip("lhotse")
    for name, content in (
        ("x.jsonl", text.encode()),
        ("x.jsonl.gz", gzip.compress(text.encode())),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message) as error:
            read_manifest(tmp_path / name)
        assert "\n" not in str(error.value)


def test_without_lhotse_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.jsonl").write_text("{}\n")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"dac-lobe\[lhotse\]"):
        read_manifest(tmp_path / "x.jsonl")


def test_what_a_folder_leaves_out_is_counted(tmp_path, caplog):
    for name in ("a.txt", "b.txt", "c.pdf", ".hidden"):
        (tmp_path / name).write_text("x")
    write_audio(tmp_path / "a.wav", np.zeros(8), 8000)
    read_manifest(tmp_path)
    assert "left out: 3 (.txt 2, .pdf 1)" in caplog.text
    assert len(caplog.records) == 1
