"""`hangar arrayset`: create, remove, rename, widen, describe."""

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

# What samples may be besides arrays. They have no shape.
KINDS = ("TEXT", "BYTES")


def _as_dtype(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """Return the dtype in lower case; an unknown one is a usage error that lists them all."""
    if value.upper() not in DTYPES + KINDS:
        raise click.BadParameter(f"'{printable(value)}' is not one of {', '.join(map(repr, DTYPES + KINDS))}.")
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
@click.argument("shape", nargs=-1, type=click.IntRange(min=1))
@click.option("--variable-shape", is_flag=True, help="Sample dimensions can be any size up to SHAPE.")
@click.option("--named/--not-named", default=True, show_default=True, help="Whether samples have names.")
@click.option("--subsamples", is_flag=True, help="Each sample holds named subsamples.")
@wait_option
def create(
    name: str, dtype: str, shape: tuple[int, ...], variable_shape: bool, named: bool, subsamples: bool, wait: float
) -> None:
    """Create an arrayset with NAME and DTYPE of SHAPE.

    It is created in the staging area of the branch last used by a writer-checkout. NAME contains only ASCII letters,
    digits, '.', '_' and '-'. DTYPE is one of UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64, FLOAT16,
    FLOAT32, FLOAT64, COMPLEX64, COMPLEX128, BOOL. SHAPE is the size of each dimension, separated by blanks. With TEXT
    or BYTES for DTYPE, samples are text or byte strings of any length, without SHAPE.

    `hangar import` creates an arrayset by itself, with the schema that the files ask for.

    \b
    Example:
      hangar arrayset create train_images UINT8 256 256 3 --variable-shape
    """
    if dtype.upper() in KINDS and (shape or variable_shape):
        raise click.UsageError(f"{dtype.upper()} has no shape: samples may have any length.")
    if dtype.upper() not in KINDS and not shape:
        raise click.UsageError("Missing argument 'SHAPE...'.")
    with current_writer(wait) as writer:
        asets = writer.arraysets
        if dtype.upper() in KINDS:
            make = asets.init_str_arrayset if dtype == "text" else asets.init_bytes_arrayset
            make(name, named_samples=named, contains_subsamples=subsamples)
        else:
            asets.init_arrayset(
                name,
                shape=shape,
                dtype=dtype,
                named_samples=named,
                variable_shape=variable_shape,
                contains_subsamples=subsamples,
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


@arrayset.command()
@click.argument("old")
@click.argument("new")
@wait_option
def rename(old: str, new: str, wait: float) -> None:
    """Give the arrayset OLD the name NEW.

    No sample is written again. Merges, diffs and histories know it for the same arrayset.

    \b
    Example:
      hangar arrayset rename pictures photos
    """
    with current_writer(wait) as writer:
        writer.arraysets.rename(old, new)
    result(f"Renamed arrayset: {printable(old)} to {printable(new)}")
    for line in next_after_staging(current_repository()):
        talk(line)


@arrayset.command()
@click.argument("name")
@click.argument("shape", nargs=-1, required=True, type=click.IntRange(min=1))
@click.option("--variable-shape", is_flag=True, help="Allow all shapes up to SHAPE from now on.")
@wait_option
def widen(name: str, shape: tuple[int, ...], variable_shape: bool, wait: float) -> None:
    """Let the arrayset NAME hold larger samples, up to SHAPE.

    SHAPE has as many dimensions as before, and none of them smaller. An arrayset whose samples all have one shape needs
    --variable-shape. No sample is written again.

    \b
    Example:
      hangar arrayset widen pictures 1024 1024 3 --variable-shape
    """
    with current_writer(wait) as writer:
        writer.arraysets[name].widen(shape, variable=variable_shape)
    result(f"Widened arrayset: {printable(name)} to {' '.join(map(str, shape))}")
    for line in next_after_staging(current_repository()):
        talk(line)


@arrayset.command()
@click.argument("name")
@click.option("--description", metavar="TEXT", help="What the arrayset is; an empty text removes it.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="A word to find it by, in place of those before.")
@click.option("--no-tags", is_flag=True, help="Remove all tags.")
@wait_option
def describe(name: str, description: str | None, tags: tuple[str, ...], no_tags: bool, wait: float) -> None:
    """Say what the arrayset NAME is, and by which words to find it.

    What is not given stays as it is; --tag may be repeated. Without options, what is recorded is shown.

    \b
    Example:
      hangar arrayset describe pictures --description "Pets, 2024" --tag cats --tag dogs
    """
    if tags and no_tags:
        raise click.UsageError("--tag and --no-tags exclude each other.")
    with current_writer(wait) as writer:
        aset = writer.arraysets[name]
        if description is None and not tags and not no_tags:
            result(f"{printable(name)}: {printable(aset.description) or '(no description)'}")
            result(f"tags: {', '.join(map(printable, aset.tags)) or '(none)'}")
            return
        aset.describe(description, () if no_tags else tags or None)
    result(f"Described arrayset: {printable(name)}")
    for line in next_after_staging(current_repository()):
        talk(line)
