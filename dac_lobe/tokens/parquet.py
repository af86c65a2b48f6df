"""A token store as Parquet, for Spark, DuckDB, pandas and Ray.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dac_lobe.disk.atomic import replacing
from dac_lobe.tokens.shards import read_index, shard_path
from dac_lobe.tokens.store import TokenStore

__all__ = ["export_parquet", "require_pyarrow"]


def require_pyarrow() -> None:
    """Raise a ModuleNotFoundError that says what to install if pyarrow is not."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ModuleNotFoundError(
            "export to Parquet needs pyarrow: pip install 'dac-lobe[evaluation]'."
        )


def export_parquet(store: str | Path, output: str | Path) -> list[Path]:
    """Write one Parquet file a shard.

    Columns: ``id`` (string), ``frames`` and ``samples`` (int64), ``codes`` (list
    of uint16: frame after frame, K codes each). The store's facts are in the
    schema's metadata under ``dac_lobe``, as JSON.

    Arguments
    ---------
    store : str or Path
        Folder of the store.
    output : str or Path
        Folder to write to.

    Returns
    -------
    list of Path
        The files, in the order of the ids.

    Raises
    ------
    ModuleNotFoundError
        If pyarrow is not installed.
    ValueError
        If the store is not finished, or the output holds other Parquet files.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> from dac_lobe.tokens.meta import StoreMeta
    >>> from dac_lobe.tokens.shards import EncodedItem, write_shard
    >>> item = EncodedItem("a", np.arange(8).reshape(4, 2), samples=32)
    >>> with TemporaryDirectory() as folder:  # what `extract` does
    ...     write_shard(folder, 0, [item], failures=[], num_codebooks=2)
    ...     StoreMeta("ab12", 16000, 8, 2, 16, 0.0, 1, 1, "cd34").save(folder)
    ...     [file.name for file in export_parquet(folder, Path(folder) / "parquet")]
    ['00000.parquet']
    """
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq
    from safetensors import safe_open

    meta = TokenStore(store).meta
    names = [f"{number:05d}.parquet" for number in range(meta.num_shards)]
    others = {path.name for path in Path(output).glob("*.parquet")} - set(names)
    if others:
        raise ValueError(
            f"{output} holds {min(others)}, which is not of {store}: both would be read "
            "as one table. Choose a new or empty folder."
        )
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("frames", pa.int64()),
            ("samples", pa.int64()),
            ("codes", pa.list_(pa.uint16())),
        ],
        metadata={"dac_lobe": json.dumps(asdict(meta), sort_keys=True)},
    )
    files = []
    for number, name in enumerate(names):
        index = read_index(store, number)
        with safe_open(shard_path(store, number), framework="numpy") as shard:
            codes, offsets = shard.get_tensor("codes"), shard.get_tensor("offsets")
        lists = pa.LargeListArray.from_arrays(
            pa.array(offsets * meta.num_codebooks),
            pa.array(np.ascontiguousarray(codes).reshape(-1)),
        ).cast(pa.list_(pa.uint16()))
        columns = [
            pa.array([row.id for row in index], pa.string()),
            pa.array([row.frames for row in index], pa.int64()),
            pa.array([row.samples for row in index], pa.int64()),
            lists,
        ]
        path = Path(output) / name
        with replacing(path) as file:
            pq.write_table(pa.Table.from_arrays(columns, schema=schema), file)
        files.append(path)
    return files
