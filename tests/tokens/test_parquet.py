"""Parquet holds what the store holds."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

from dac_lobe.tokens import export_parquet


def test_round_trip(store, store_folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    files = export_parquet(store_folder, tmp_path / "out")
    assert len(files) == store.meta.num_shards
    seen = []
    for path in files:
        table = parquet.read_table(path)
        assert json.loads(table.schema.metadata[b"dac_lobe"])["num_codebooks"] == 3
        for row in table.to_pylist():
            tokens = np.array(row["codes"]).reshape(-1, 3)
            assert (tokens == store[row["id"]].numpy()).all()
            assert row["frames"] == store.frames(row["id"])
            assert row["samples"] == store.samples(row["id"])
            seen.append(row["id"])
    assert seen == store.ids


def test_pyarrow_is_optional(monkeypatch, store_folder, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pyarrow"):
        export_parquet(store_folder, tmp_path)


def test_files_of_another_store_are_not_mixed_in(store, store_folder, tmp_path):
    pytest.importorskip("pyarrow")
    files = export_parquet(store_folder, tmp_path)
    assert export_parquet(store_folder, tmp_path) == files
    (tmp_path / "99999.parquet").write_bytes(b"of another")
    with pytest.raises(ValueError, match=r"holds 99999.parquet, which is not of"):
        export_parquet(store_folder, tmp_path)
