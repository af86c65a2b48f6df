"""The page of a board: curves, front, table and tests, filtered by rate and domain.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from evaluation.metrics import METRICS, kind_of
from evaluation.report.colours import assign_colours
from evaluation.report.groups import group
from evaluation.report.rendering import published, render
from evaluation.results.board import SIGNIFICANT, Board
from evaluation.results.conditions import Condition
from evaluation.results.joining import Shown
from evaluation.results.statistics import LEAST_CLUSTERS
from evaluation.results.writers import records, write_table, write_text

__all__ = ["Origin", "write_board"]

# Columns of the published figures that are not called as ours are.
CALLED = {"Mel": "mel_dac7", "STFT": "stft_dac", "SI-SDR": "si_sdr"}


class Origin(NamedTuple):
    """Where numbers of a row come from.

    Attributes
    ----------
    metrics : list of str
        Titles of the metrics.
    run : str
        Folder of the run.
    written : str
        When.
    command : str
        How it was started.
    signature : str
        Every choice that changes a number.
    """

    metrics: list[str]
    run: str
    written: str
    command: str
    signature: str


def write_board(board: Board, folder: str | Path) -> None:
    """Write ``board.html``, ``board.csv`` and ``pairs.csv``.

    Arguments
    ---------
    board : Board
        Joined runs.
    folder : str or Path
        Made if it is not there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "board.csv", board.numbers)
    write_table(folder / "pairs.csv", board.pairs)
    write_text(folder / "board.html", _page(board))


def _page(board: Board) -> str:
    rows = records(board.numbers)
    order = list(dict.fromkeys(condition.system for condition in board.conditions))
    shown = sorted(
        board.conditions,
        key=lambda one: (order.index(one.system), board.conditions[one] or 0.0),
    )
    outside, colours = _outside(board), assign_colours(order, board.controls)
    return render(
        "board.html.j2",
        board=board,
        systems=order,
        colours=colours,
        conditions=shown,
        groups=group(board.metrics, _kind),
        origins={one: _origins(board, rows, one) for one in shown},
        decimals={metric.name: _decimals(metric) for metric in board.metrics},
        published=outside,
        data=_data(board, rows, shown, colours, outside),
        significant=SIGNIFICANT,
        least=LEAST_CLUSTERS,
    )


# Runs of earlier versions say neither; metrics of ours have kept their names.
def _kind(metric: Shown) -> str:
    known = METRICS.get(metric.name)
    return metric.definition.get("kind", kind_of(known) if known else "signal")


def _decimals(metric: Shown) -> int:
    known = METRICS.get(metric.name)
    return metric.definition.get("decimals", known.decimals if known else 1)


def _origins(
    board: Board, rows: list[dict[str, Any]], condition: Condition
) -> list[Origin]:
    titles = {metric.name: metric.title for metric in board.metrics}
    found: dict[str, Origin] = {}
    for row in rows:
        if Condition.of(row) != condition:
            continue
        keys = ("run", "written", "command", "signature")
        origin = found.setdefault(row["run"], Origin([], *(row[key] for key in keys)))
        if titles[row["metric"]] not in origin.metrics:
            origin.metrics.append(titles[row["metric"]])
    return list(found.values())


def _outside(board: Board) -> list[dict[str, str]]:
    """Keep the published figures whose metric the board has."""
    names = {metric.title: metric.name for metric in board.metrics}
    names |= {metric.name: metric.name for metric in board.metrics}
    found = []
    for row in published():
        name = names.get(CALLED.get(row["metric"], row["metric"]))
        if name is not None:
            found.append({**row, "column": name})
    return found


def _data(
    board: Board,
    rows: list[dict[str, Any]],
    shown: list[Condition],
    colours: dict[str, str],
    outside: list[dict[str, str]],
) -> dict[str, Any]:
    """Gather what the page's script draws, by domain and metric."""
    place = {condition: index for index, condition in enumerate(shown)}
    numbers: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        condition = Condition.of(row)
        of_metric = numbers.setdefault(row["domain"], {}).setdefault(
            row["metric"], [None] * len(shown)
        )
        values = [_short(row[key]) for key in ("mean", "low", "high")]
        of_metric[place[condition]] = [
            *values,
            row["n_ok"],
            int(row["front"]),
            _short(row["kbps"]),
        ]
    tests: dict[str, dict[str, list[Any]]] = {}
    for row in records(board.pairs):
        first = Condition.of(row)
        second = Condition.of({key: row[f"{key}_2"] for key in Condition._fields})
        tests.setdefault(row["domain"], {}).setdefault(row["metric"], []).append(
            [
                place[first],
                place[second],
                *(_short(row[key]) for key in ("difference", "p", "p_holm")),
                row["n_pairs"],
            ]
        )
    return {
        "significant": SIGNIFICANT,
        "points": [
            {
                "system": one.system,
                "label": str(one),
                "kbps": _short(board.conditions[one]),
                "control": one.system in board.controls,
                "colour": colours[one.system],
            }
            for one in shown
        ],
        "metrics": [
            {
                "name": metric.name,
                "title": metric.title,
                "unit": metric.definition["unit"],
                "higher": metric.higher_is_better,
                "decimals": _decimals(metric),
            }
            for metric in board.metrics
        ],
        "numbers": numbers,
        "pairs": tests,
        "published": [
            {
                "metric": row["column"],
                "kbps": float(row["kbps"]),
                "value": float(row["value"]),
                "label": f"{row['system']}: {row['source']}, {row['data']}",
            }
            for row in outside
        ],
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
