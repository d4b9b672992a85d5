"""Baking the template of plugins (``cookiecutter-plugin/``) into a package, without network."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from hangar_cli.output import printable
from hangar_core.errors import AlreadyExists, InvalidInput, PackageMissing

FOLDER = "cookiecutter-plugin"
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_EXTENSION = re.compile(r"[a-z0-9_+-]+(\.[a-z0-9_+-]+)*")
_BUNDLED_SAY = "a bundled plugin has this name and would hide yours: choose another"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the template asks for."""

    name: str
    extensions: str
    author: str
    email: str
    licence: str


def checked_answers(*, name: str, extensions: str, licence: str, author: str, email: str) -> Answers:
    """Return the answers if a package can be made of them. A wrong one is a usage error."""
    from hangar_core.external import plugin_manager

    if _NAME.fullmatch(name) is None:
        raise _wrong("NAME", name, "is a letter and then letters and digits, all small, with single - or _ between")
    if any(entry.bundled and entry.name == name for entry in plugin_manager().entries()):
        raise _wrong("NAME", name, f"cannot be used: {_BUNDLED_SAY}")
    several = [one.strip().lstrip(".").lower() for one in extensions.split(",")]
    if not several or any(_EXTENSION.fullmatch(one) is None for one in several):
        raise _wrong("--extensions", extensions, "is a list of extensions such as nii,nii.gz")
    for option, text in (("--author", author), ("--email", email)):
        if not text.strip() or not text.isprintable() or set(text) & set('"\\<>'):
            raise _wrong(option, text, 'is one line without " \\ < >')
    if re.fullmatch(r"[^@\s]+@[^@\s]+", email) is None:
        raise _wrong("--email", email, "is an email address")
    return Answers(name, ",".join(dict.fromkeys(several)), author.strip(), email, licence)


def bake(answers: Answers, outdir: Path) -> Path:
    """Make the package in a new folder inside `outdir` and return that folder.

    Raises `PackageMissing` without cookiecutter, `AlreadyExists`, `InvalidInput` if `outdir` is no folder.
    """
    try:
        from cookiecutter.exceptions import OutputDirExistsException
        from cookiecutter.main import cookiecutter
    except ImportError as why:
        raise PackageMissing(what="`hangar plugins new`", package="cookiecutter", extra="new") from why
    if not outdir.is_dir():
        raise InvalidInput(f"`{outdir}` is no directory.", hint="create it first")
    with tempfile.TemporaryDirectory(prefix="hangar-new-") as scratch:
        # A configuration of its own: neither the user's defaults nor a copy of the answers in the home folder.
        config = Path(scratch, "config.yaml")
        folders = {"replay_dir": str(Path(scratch, "replay")), "cookiecutters_dir": str(Path(scratch, "templates"))}
        config.write_text(json.dumps(folders), encoding="utf-8")  # JSON is YAML
        try:
            made = cookiecutter(
                str(template_folder()),
                no_input=True,
                extra_context=asdict(answers),
                output_dir=str(outdir),
                config_file=str(config),
            )
        except OutputDirExistsException as why:
            place = outdir / f"hangar-{answers.name.replace('_', '-')}"
            raise AlreadyExists(kind="Folder", name=str(place), hint="remove it, or choose another --out") from why
    return Path(made)


def template_folder() -> Path:
    """Return where the template lies: inside the installed package, or beside the source."""
    here = Path(__file__).resolve()
    places = (here.parent / FOLDER, here.parents[2] / FOLDER)
    return next((place for place in places if (place / "cookiecutter.json").is_file()), places[0])


def _wrong(option: str, value: str, rule: str) -> click.BadParameter:
    return click.BadParameter(f"'{printable(value)}': it {rule}.", param_hint=f"'{option}'")
