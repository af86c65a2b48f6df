"""The command line: ``dac-lobe encode | decode | info | extract | export | download``.

Each command is a module with one function of its name. What they need is
imported inside them, so that ``--help`` answers at once.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from dac_lobe import __version__
from dac_lobe.cli.decode import decode
from dac_lobe.cli.download import download
from dac_lobe.cli.encode import encode
from dac_lobe.cli.export import export
from dac_lobe.cli.extract import extract
from dac_lobe.cli.info import info
from dac_lobe.cli.options import UsageError

__all__ = ["app", "main"]

app = typer.Typer(
    name="dac-lobe",
    help="The Descript Audio Codec: audio files to codes and back.",
    epilog="dac-lobe encode recordings/ -o coded/ -k 8 && dac-lobe decode coded/ -o out/\n\n"
    "dac-lobe extract train.csv store/    for a recipe's training\n\n"
    "dac-lobe-evaluate recordings/        how good it is: its own command",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command, task in (
    (encode, "Audio files"),
    (decode, "Audio files"),
    (info, "Audio files"),
    (extract, "Recipes"),
    (export, "Recipes"),
    (download, "Weights"),
):
    app.command(rich_help_panel=task)(command)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.")
    ] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


# Options under the names that they had in 0.1.
_OLD = {"--jobs": "--workers", "--legacy": "--official"}
_OLD_IN = {"extract": {"-w": "-j"}}


def _renamed(arguments: Sequence[str]) -> list[str]:
    """Put today's names of options for those of 0.1, and say so."""
    old = _OLD | _OLD_IN.get(next(iter(arguments), ""), {})
    given = list(arguments)
    options = given.index("--") if "--" in given else len(given)
    for place, argument in enumerate(given[:options]):
        name, sign, value = argument.partition("=")
        if name in old:
            given[place] = old[name] + sign + value
            print(
                f"dac-lobe: {name} is now {old[name]}; the old name goes with version "
                "0.3.",
                file=sys.stderr,
            )
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Arguments
    ---------
    arguments : sequence of str, optional
        As on the command line; those of the process by default.

    Returns
    -------
    int
        0 if all went well, 1 if something failed, 2 for a wrong command.

    Example
    -------
    >>> main(["--version"])
    0.2.0
    0
    """
    # Waiting at full load, as OpenMP's threads do, would take the cores of whoever shares
    # them. It is read when torch is loaded; a program that has done so decides for itself.
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        given = _renamed(sys.argv[1:] if arguments is None else arguments)
        if "" in given:  # as a path it would be the folder that we are in
            raise UsageError(
                "an argument is empty. Is a variable of the shell not set?"
            )
        code = app(args=given, prog_name="dac-lobe", standalone_mode=False)
    except UsageError as error:
        # Without a message if what it shows is the help.
        message = error.format_message()
        if message and "Usage:" not in message:
            print(f"dac-lobe: {message}", file=sys.stderr)
        return 2
    except typer.Abort:
        return 130
    except KeyboardInterrupt:
        print("dac-lobe: interrupted; start again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone; point the descriptor elsewhere so
        # that the interpreter's own flush at exit does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"dac-lobe: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0
