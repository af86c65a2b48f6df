"""A store gives back what the codec would, from any process, or says why not."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from dac_lobe.audio import read_audio
from dac_lobe.data import Item, read_manifest
from dac_lobe.tokens import StoreMeta, TokenStore, load_codebooks, read_meta
from dac_lobe.tokens.codebooks import codebooks_of
from dac_lobe.tokens.shards import (
    EncodedItem,
    Failure,
    ShardSpec,
    shard_is_done,
    shard_path,
    write_shard,
)
from dac_lobe.weights.fingerprint import fingerprint


def _read_in_process(store, name, queue):
    queue.put(store[name].tolist())


def test_tokens_are_what_the_codec_says(store, corpus, tiny_dac):
    """Every item alone, resampled and mixed to mono, all frames and codebooks."""
    assert len(store) == 7
    for item in read_manifest(corpus / "all.csv"):
        wav = torch.from_numpy(read_audio(item.wav, 16000).mean(0))[None]
        tokens = tiny_dac.encode(wav).codes[0].T
        assert torch.equal(store[item.id], tokens)
        assert store.frames(item.id) == len(tokens)
        assert store.samples(item.id) == wav.shape[-1]


def test_a_shard_that_is_not_the_one_of_its_index(tmp_path, monkeypatch):
    """As after `retry_failed`, in a store that is open, or killed on its way."""
    a, b, c = (EncodedItem(name, np.full((4, 2), ord(name)), 32) for name in "abc")
    failures = [Failure("b", "no such file")]
    write_shard(tmp_path, 0, [a, c], failures, 2)
    StoreMeta("ab12", 16000, 8, 2, 128, 0.0, 3, 1, "cd34").save(tmp_path)
    opened = TokenStore(tmp_path)
    write_shard(tmp_path, 0, [a, b, c], [], 2)
    with pytest.raises(ValueError, match="shard 0 is not the one of its index"):
        opened["c"]
    assert TokenStore(tmp_path)["c"].unique().tolist() == [ord("c")]
    write_shard(tmp_path, 0, [a, c], failures, 2)
    monkeypatch.setattr(
        "dac_lobe.tokens.shards.save", Mock(side_effect=KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path, 0, [a, b, c], [], 2)
    with pytest.raises(ValueError, match="Finish the extraction"):
        TokenStore(tmp_path)["b"]


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 9, b"cut"])
@pytest.mark.parametrize("name", ["shards/00001.safetensors", "index/00001.tsv"])
def test_a_damaged_file_is_named(store_folder, tmp_path, name, content):
    folder = tmp_path / "s"
    shutil.copytree(store_folder, folder)
    opened = TokenStore(folder)
    if content is None:
        (folder / name).unlink()
    else:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-1] if content == b"cut" else content)
    if name.startswith("shards"):
        with pytest.raises(ValueError, match=f"{name} cannot be read.*repairs"):
            [opened[item] for item in opened]
    else:
        with pytest.raises(ValueError, match=f"{name} is missing or damaged.*repairs"):
            TokenStore(folder)


def test_an_index_without_numbers_is_named(store_folder, tmp_path):
    shutil.copytree(store_folder, tmp_path / "s")
    index = tmp_path / "s/index/00001.tsv"
    index.write_text("ID\tframes\tsamples\na\tx\t3\n")
    with pytest.raises(ValueError, match="index/00001.tsv is missing or damaged"):
        TokenStore(tmp_path / "s")


def test_two_that_write_a_shard_at_once(tmp_path, monkeypatch):
    """One takes the other's half-written file for what a killed run left."""
    import dac_lobe.disk.atomic as atomic

    item = EncodedItem("a", np.zeros((4, 2)), 32)
    publish = atomic.publish

    def overtaken(*arguments):
        monkeypatch.setattr(atomic, "publish", publish)
        write_shard(tmp_path, 0, [item], [], 2)
        publish(*arguments)

    monkeypatch.setattr(atomic, "publish", overtaken)
    write_shard(tmp_path, 0, [item], [], 2)
    assert shard_is_done(tmp_path, ShardSpec(0, (Item("a", "a.wav", 1.0),)))
    assert not list(tmp_path.rglob(".*"))


def test_threads_share_a_store_of_many_shards(tmp_path, monkeypatch):
    for number in range(24):
        item = EncodedItem(f"{number}", np.full((1, 1), number), 8)
        write_shard(tmp_path, number, [item], [], 1)
    StoreMeta("ab12", 16000, 8, 1, 24, 0.0, 24, 24, "cd34").save(tmp_path)
    monkeypatch.setattr("dac_lobe.tokens.store.OPEN_SHARDS", 12)
    store = TokenStore(tmp_path)
    names = [str(n) for n in np.random.default_rng(0).integers(0, 24, 10_000)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda name: str(int(store[name])), names))
    finally:
        sys.setswitchinterval(interval)
    assert read == names
    assert len(store._open) <= 12


def test_fewer_codebooks_are_a_prefix(store, store_folder):
    two = TokenStore(store_folder, num_codebooks=2)
    assert torch.equal(two["utt0"], store["utt0"][:, :2])
    assert len(two.codebooks()) == 2
    for number in (0, 4, 2.0, True, "2"):
        with pytest.raises(ValueError, match="Choose 1 to 3"):
            TokenStore(store_folder, num_codebooks=number)


def test_tokens_belong_to_the_caller(store):
    """Writing to what was read changes nothing that is read later."""
    before = store["utt0"].clone()
    store["utt0"].fill_(0)
    assert torch.equal(store["utt0"], before)


def test_shards_are_read_by_the_piece(store_folder):
    """Opening reads no codes, and reading an item opens one shard."""
    store = TokenStore(store_folder)
    assert store.meta.num_shards > 1
    assert not store._open
    store["utt3"]
    assert len(store._open) == 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_the_same(store, method):
    expected = store["utt3"].tolist()  # opens a shard before the process starts
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_read_in_process, args=(store, "utt3", queue))
    process.start()
    found = queue.get(timeout=60)
    process.join(timeout=60)
    assert found == expected


def test_a_pickled_store_leaves_the_original_open(store):
    store["utt3"]
    copy = pickle.loads(pickle.dumps(store))  # noqa: S301
    assert torch.equal(copy["utt3"], store["utt3"])
    assert store._open


def test_codebooks_sum_to_the_latent(store, store_folder, tiny_dac):
    """The sum over codebooks of what codes stand for is the quantised latent."""
    tokens = store["utt0"]
    latent = sum(
        codebook.vectors[tokens[:, number]]
        for number, codebook in enumerate(load_codebooks(store_folder))
    )
    expected = tiny_dac.quantizer.from_codes(tokens.T[None]).z[0].T
    torch.testing.assert_close(latent, expected, atol=1e-5, rtol=1e-5)


def test_another_codec_is_an_error(store_folder, tiny_dac, make_dac):
    TokenStore(store_folder, codec=tiny_dac)
    TokenStore(store_folder, codec=fingerprint(tiny_dac))
    other = make_dac()
    with torch.no_grad():
        other.encoder.block[0].bias[0] += 1e-3
    with pytest.raises(ValueError, match="extract them again"):
        TokenStore(store_folder, codec=other)


def test_meta_says_what_a_recipe_needs(store_folder):
    meta = read_meta(store_folder)
    assert meta["num_codebooks"] == 3
    assert meta["codebook_size"] == 16
    assert meta["sample_rate"] == 16000
    assert meta["frame_rate"] == 2000.0


def test_folder_that_is_no_store(tmp_path):
    with pytest.raises(ValueError, match="no token store"):
        TokenStore(tmp_path)
    with pytest.raises(ValueError, match="Is it a token store"):
        load_codebooks(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"format": "something else"}', "format 'something else'"),
        ("[]", "format None"),
    ],
)
def test_damaged_meta(tmp_path, text, message):
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        StoreMeta.load(tmp_path)


def test_meta_with_other_fields(store_folder, tmp_path):
    content = json.loads((store_folder / "meta.json").read_text())
    del content["hop_length"]
    (tmp_path / "meta.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="hop_length"):
        StoreMeta.load(tmp_path)


def test_meta_from_before_devices_were_told(store_folder, tmp_path):
    content = json.loads((store_folder / "meta.json").read_text())
    assert content.pop("device") == "cpu"
    (tmp_path / "meta.json").write_text(json.dumps(content))
    assert StoreMeta.load(tmp_path) == StoreMeta.load(store_folder)


def test_unfinished_store(store_folder, tmp_path):
    shutil.copytree(store_folder, tmp_path / "part")
    shard_path(tmp_path / "part", 1).unlink()
    with pytest.raises(ValueError, match="1 of . shards are missing"):
        TokenStore(tmp_path / "part")
    part = TokenStore(tmp_path / "part", partial=True)
    assert 0 < len(part) < 7


def test_unknown_id_names_what_is_there(store):
    with pytest.raises(KeyError, match="holds 7 items such as 'utt0'"):
        store["nobody"]
    assert "nobody" not in store
    assert list(store) == store.ids == sorted(store.ids)


def test_token_out_of_the_vocabulary(store_folder, tmp_path):
    """A damaged shard is noticed before it indexes an embedding."""
    shutil.copytree(store_folder, tmp_path / "damaged")
    path = shard_path(tmp_path / "damaged", 0)
    tensors = load_file(path)
    tensors["codes"] = tensors["codes"].copy()
    tensors["codes"][0, 0] = np.uint16(16)
    save_file(tensors, path)
    with pytest.raises(ValueError, match=r"token 16; the vocabulary is \[0, 15\]"):
        TokenStore(tmp_path / "damaged")["utt0"]


def test_codebooks_of_a_codec_without_bias(tiny_dac):
    codec = copy.deepcopy(tiny_dac)
    with torch.no_grad():
        codec.quantizer.quantizers[0].out_proj.bias.zero_()
    expected = codebooks_of(codec)[0].vectors
    codec.quantizer.quantizers[0].out_proj.bias = None
    assert codebooks_of(codec)[0].vectors.equal(expected)
