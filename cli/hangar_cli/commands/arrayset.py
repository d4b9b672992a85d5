"""`hangar arrayset create` and `hangar arrayset remove`."""

from __future__ import annotations

import click

from hangar_cli.command_table import Section
from hangar_cli.conflicts import next_after_staging
from hangar_cli.current import current_repository, current_writer
from hangar_cli.output import printable, result, talk
from hangar_cli.parameters import wait_option
from hangar_core.errors import ArraysetNotFound

DTYPES = (
    *("UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "UINT64", "INT64"),
    *("FLOAT16", "FLOAT32", "FLOAT64", "COMPLEX64", "COMPLEX128", "BOOL"),
)


def _as_dtype(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """Return the dtype in lower case; an unknown one is a usage error that lists them all."""
    if value.upper() not in DTYPES:
        raise click.BadParameter(f"'{printable(value)}' is not one of {', '.join(map(repr, DTYPES))}.")
    return value.lower()


@click.group(cls=Section)
def arrayset() -> None:
    """Operations for working with arraysets in the writer checkout.

    \b
    Example:
      hangar arrayset create temperatures FLOAT64 24
    """


@arrayset.command()
@click.argument("name")
@click.argument("dtype", callback=_as_dtype)
@click.argument("shape", nargs=-1, required=True, type=click.IntRange(min=1))
@click.option("--variable-shape", is_flag=True, help="Sample dimensions can be any size up to SHAPE.")
@click.option("--named/--not-named", default=True, show_default=True, help="Whether samples have names.")
@wait_option
def create(name: str, dtype: str, shape: tuple[int, ...], variable_shape: bool, named: bool, wait: float) -> None:
    """Create an arrayset with NAME and DTYPE of SHAPE.

    It is created in the staging area of the branch last used by a writer-checkout. NAME contains only ASCII letters,
    digits, '.', '_' and '-'. DTYPE is one of UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64, FLOAT16,
    FLOAT32, FLOAT64, COMPLEX64, COMPLEX128, BOOL. SHAPE is the size of each dimension, separated by blanks.

    `hangar import` creates an arrayset by itself, with the schema that the files ask for.

    \b
    Example:
      hangar arrayset create train_images UINT8 256 256 3 --variable-shape
    """
    with current_writer(wait) as writer:
        writer.arraysets.init_arrayset(
            name, shape=shape, dtype=dtype, named_samples=named, variable_shape=variable_shape
        )
    result(f"Initialized Arrayset: {printable(name)}")
    talk(f"Next: hangar import {printable(name)} PATH")


@arrayset.command()
@click.argument("name")
@wait_option
def remove(name: str, wait: float) -> None:
    """Remove the arrayset NAME and its samples from the staging area.

    Earlier commits keep it.

    \b
    Example:
      hangar arrayset remove pictures
    """
    with current_writer(wait) as writer:
        try:
            writer.arraysets.remove_aset(name)
        except ArraysetNotFound as missing:
            raise ArraysetNotFound(f"'Cannot remove: {name}. Key does not exist.'", name=name, hint="") from missing
    result(f"Successfully removed arrayset: {printable(name)}")
    for line in next_after_staging(current_repository()):
        talk(line)
