"""What hangar expects of a plugin, one function for each promise. They need no test runner: `hangar plugins check` runs
them, and `PluginContract` makes a test of each.

A function returns if the promise is kept, or does not concern the plugin, and raises `Flaw` if it is broken.
"""

from __future__ import annotations

import io
import itertools
import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hangar_core import external
from hangar_core.errors import HangarError
from hangar_core.external import InvalidInput, KeepsOriginals, SavesMany, checked_options, plugin_manager
from hangar_core.external.base_plugin import BasePlugin
from hangar_core.external.facts import facts_of, from_json, to_json
from hangar_core.names import check_sample_key
from hangar_core.testing.plugin_subject import Flaw, Subject, difference, digest_of, form, same

_MANY = 10_000  # samples of a file that are looked at


def metadata(subject: Subject) -> None:
    """Entry point, class and facts agree."""
    plugin, facts = subject.plugin, subject.facts
    if not plugin_manager().origin(subject.name).distribution:
        raise Flaw("no installed distribution names it as an entry point of the group hangar.external.plugins")
    for method in plugin.provides:
        if getattr(type(plugin), method) is getattr(BasePlugin, method):
            raise Flaw(f"it provides `{method}` and does not define it")
    for extension in plugin.accepts:
        if extension != extension.lower().lstrip("."):
            raise Flaw(f"it accepts `{extension}`: write extensions in lower case without a dot in front")
    default = () if plugin.DEFAULT_EXTENSION is None else (plugin.DEFAULT_EXTENSION,)
    for what, named in (
        ("LOSSLESS", plugin.LOSSLESS), ("TOLERANCE", plugin.TOLERANCE), ("MAGIC", plugin.MAGIC),
        ("DEFAULT_EXTENSION", default),
    ):  # fmt: skip
        for extension in named:
            if extension not in plugin.accepts:
                raise Flaw(f"{what} names `{extension}`, which it does not accept")
    if not isinstance(plugin.VERSION, str) or not plugin.VERSION:
        raise Flaw("VERSION is not a text such as '1'")
    if not facts.summary:
        raise Flaw("its class has no docstring: the first line is what `hangar plugins info` shows")
    if from_json(json.loads(json.dumps(to_json(facts_of(plugin))))) != facts:
        raise Flaw("its facts change between two looks at them: they must be constants of the class")


def options(subject: Subject) -> None:
    """Each option explains itself, and one that does not exist is refused."""
    facts = subject.facts
    for spec in facts.options or ():
        if not spec.help.strip():
            raise Flaw(f"option `{spec.name}` has no help text")
    if facts.options is None:
        return
    for method in subject.plugin.provides:
        try:
            checked_options(subject.plugin, method, {"no_such_option": "x"})
        except InvalidInput:
            continue
        raise Flaw(f"`{method}` takes an option that is not declared")


def keys(subject: Subject) -> None:
    """Names are unique, valid, and lead nowhere else when they are written."""
    for path in subject.files:
        seen = set()
        for _, name in itertools.islice(subject.load(path), _MANY):
            try:
                check_sample_key(name)
                BasePlugin.target_path(subject.folder, f"{'int' if isinstance(name, int) else 'str'}:{name}", "x")
            except HangarError as why:
                raise Flaw(f"load gives the name {name!r} for `{path.name}`: {why}") from why
            if name in seen:
                raise Flaw(f"load gives the name {name!r} twice for `{path.name}`")
            seen.add(name)


def lazy(subject: Subject) -> None:
    """A file of many samples comes one by one, and what is left half-way is closed."""
    for path in subject.files:
        loaded = subject.plugin.load(path, **checked_options(subject.plugin, "load", subject.load_options))
        if isinstance(loaded, tuple):
            continue
        if isinstance(loaded, list) or type(loaded) is type(iter([])):
            raise Flaw("load gives a list: give a generator, so that a file larger than memory can be read")
        if not isinstance(loaded, Iterator):
            raise Flaw(f"load gives {type(loaded).__name__}: give (data, name) or a generator of such pairs")
        next(loaded, None)
        close: Callable[[], object] = getattr(loaded, "close", lambda: None)
        close()


def repeatable(subject: Subject) -> None:
    """Two loads of a file give the same to the last bit."""
    for path in subject.files:
        if digest_of(subject.load(path)) != digest_of(subject.load(path)):
            raise Flaw(f"two loads of `{path.name}` differ")


def round_trip(subject: Subject) -> None:
    """``load(save(x)) == x`` where it says so, else within the tolerance that it says."""
    if not {"load", "save"} <= subject.provides:
        return
    plugin = subject.plugin
    for extension, samples in subject.samples.items():
        outdir = subject.scratch(f"round-trip-{extension}")
        for number, sample in enumerate(samples):
            external.save(sample, outdir, f"str:s{number}", extension, plugin=subject.name, **subject.save_options)
            target = BasePlugin.target_path(outdir, f"str:s{number}", extension)
            if not target.is_file():
                raise Flaw(f"save does not write `{target.name}`: use self.target_path")
            _compare(subject, extension, sample, [data for data, _ in subject.load(target)])
        if isinstance(plugin, SavesMany) and samples:
            _many(subject, extension, samples)


def bad_files(subject: Subject) -> None:
    """What is not what it should be gives `BadFile` and nothing else."""
    if "load" not in subject.provides:
        return
    folder = subject.scratch("bad files é")
    for path in subject.files:
        suffix = "".join(path.suffixes)
        for what, content, must in _damaged(path.read_bytes(), subject, path):
            bad = folder / f"{what} ☃{suffix}"
            bad.write_bytes(content)
            _expect_bad(subject, bad, what, must=must)
        (folder / f"folder{suffix}").mkdir(exist_ok=True)
        _expect_bad(subject, folder / f"folder{suffix}", "a folder", must=True)
        _expect_bad(subject, folder / f"absent{suffix}", "a file that is not there", must=True)


def paths(subject: Subject) -> None:
    """Blanks and characters of any script in a path change nothing."""
    folder = subject.scratch("a b/ünï çödé/文件")
    for path in subject.files:
        copy = folder / f"{path.name.partition('.')[0]} ☃ x.{path.name.partition('.')[2]}"
        copy.write_bytes(path.read_bytes())
        before = [data for data, _ in itertools.islice(subject.load(path), _MANY)]
        after = [data for data, _ in itertools.islice(subject.load(copy), _MANY)]
        if digest_of((data, 0) for data in before) != digest_of((data, 0) for data in after):
            raise Flaw(f"`{path.name}` gives other data in a path with blanks and accents")


def outside(subject: Subject) -> None:
    """Nothing is ever written outside of the folder it is given."""
    if "save" not in subject.provides:
        return
    for extension, samples in subject.samples.items():
        place = subject.scratch(f"outside-{extension}")
        outdir = place / "out"
        outdir.mkdir()
        for name in ("../evil", "a/../../evil", str(place / "evil"), "..", "a/./b"):
            try:
                external.save(samples[0], outdir, f"str:{name}", extension, plugin=subject.name, **subject.save_options)
            except (InvalidInput, external.InvalidData):
                pass
            except HangarError as why:
                raise Flaw(f"save of a sample called {name!r}: {why}") from why
            if sorted(place.rglob("*")) != [outdir]:
                raise Flaw(f"save of a sample called {name!r} writes `{_first(place, outdir)}`: use self.target_path")
        external.save(samples[0], outdir, "str:deep/er/name", extension, plugin=subject.name, **subject.save_options)
        strays = [path for path in place.rglob("*") if path.is_file() and not path.is_relative_to(outdir)]
        left = [path for path in outdir.rglob("*") if path.is_file() and path.name.startswith(".")]
        if strays or left:
            raise Flaw(f"save leaves `{(strays + left)[0]}`")


def picklable(subject: Subject) -> None:
    """It can be sent to another process."""
    try:
        copy = pickle.loads(pickle.dumps(subject.plugin))  # noqa: S301 — made in the same line
    except Exception as why:  # pickle lets out whatever the object raises
        raise Flaw(f"it cannot be pickled: {why}") from why
    if type(copy) is not type(subject.plugin):
        raise Flaw("pickled and back it is of another class")


def shows(subject: Subject) -> None:
    """`show` works without a terminal."""
    if "show" not in subject.provides:
        return
    from rich.console import Console

    for data in subject.some_data():
        shown = external.show(data, plugin=subject.name)
        console = Console(file=io.StringIO(), width=80, force_terminal=False, color_system=None)
        if shown is not None and not isinstance(shown, str):
            console.print(shown)


def board_shows(subject: Subject) -> None:
    """`board_show` gives one of the allowed types, with bytes."""
    if "board_show" in subject.provides:
        for data in subject.some_data():
            external.board_show(data, plugin=subject.name)


def described(subject: Subject) -> None:
    """What `describe` says can be handed back to `save` and `show`."""
    for path in subject.files:
        given = external.describe(path, plugin=subject.name, **subject.load_options)
        for method in subject.provides & {"save", "show", "board_show"}:
            try:
                checked_options(subject.plugin, method, given)
            except InvalidInput as why:
                raise Flaw(f"describe of `{path.name}` says what `{method}` does not take: {why}") from why


def originals(subject: Subject) -> None:
    """`decode` of a file's bytes gives what `load` of the file gives, and `form_of` tells its dtype and shape."""
    plugin = subject.plugin
    odd = [one for one in plugin.ORIGINALS if one not in plugin.accepts]
    if odd or (plugin.ORIGINALS and not isinstance(plugin, KeepsOriginals)):
        raise Flaw(f"ORIGINALS are extensions that `decode` reads, which {', '.join(odd or plugin.ORIGINALS)} is not")
    if not isinstance(plugin, KeepsOriginals):
        return
    for path in subject.files:
        pairs = list(itertools.islice(subject.load(path), 2))
        if len(pairs) == 1:
            decoded = external.decode(path.read_bytes(), plugin=subject.name, **subject.load_options)
            if not same(decoded, pairs[0][0]):
                raise Flaw(f"decode of the bytes of `{path.name}` gives something else than load")
            told = external.form_of(path.read_bytes(), subject.name, **subject.load_options)
            if told is not None and told != (decoded.dtype.name, decoded.shape):
                found = f"{decoded.dtype.name} {decoded.shape}"
                raise Flaw(f"form_of says that `{path.name}` is {told[0]} {told[1]}, and it is {found}")


def _compare(subject: Subject, extension: str, sample: Any, back: list[Any]) -> None:
    if len(back) != 1:
        raise Flaw(f"one sample saved as {extension} is read as {len(back)}")
    tolerance = dict(subject.facts.tolerance)
    if extension in subject.facts.lossless:
        if not same(sample, back[0]):
            raise Flaw(f"{extension} is LOSSLESS, and {form(sample)} came back as another {form(back[0])}")
    elif extension not in tolerance:
        raise Flaw(f"say in LOSSLESS or TOLERANCE what becomes of data that are saved as {extension}")
    elif difference(sample, back[0]) > tolerance[extension]:
        apart, allowed = difference(sample, back[0]), tolerance[extension]
        raise Flaw(f"{form(sample)} saved as {extension} came back {apart:g} off, TOLERANCE says {allowed:g}")


def _many(subject: Subject, extension: str, samples: Any) -> None:
    """Compare samples that were written together, as far as they are of one form: a table has rows of one width."""
    alike = [sample for sample in samples if form(sample) == form(samples[0])]
    outdir = subject.scratch(f"many-{extension}")
    pairs = ((number, sample) for number, sample in enumerate(alike))
    written = external.save_many(pairs, outdir, "aset", extension, plugin=subject.name, **subject.save_options)
    if any(not Path(path).resolve().is_relative_to(outdir.resolve()) for path in written):
        raise Flaw("save_many says that it has written outside of its folder")
    back = [data for path in written for data, _ in subject.load(Path(path))]
    if len(back) != len(alike):
        raise Flaw(f"{len(alike)} samples written by save_many are read as {len(back)}")
    for sample, one in zip(alike, back, strict=True):
        _compare(subject, extension, sample, [one])


def _damaged(content: bytes, subject: Subject, path: Path) -> Iterator[tuple[str, bytes, bool]]:
    """Yield (what, bytes, whether it has to be refused) for the ways in which a file can be no good."""
    magic = [
        signature
        for extension, signatures in subject.plugin.MAGIC.items()
        if path.name.lower().endswith(f".{extension}")
        for signature in signatures
    ]
    cut = subject.detects_truncation
    yield "empty", b"", True
    yield "zeros", bytes(max(len(content), 16)), True
    yield "one byte", content[:1], cut
    yield "half", content[: len(content) // 2], cut
    # Not the last byte alone: it may be padding that says nothing.
    yield "without its end", content[: -max(1, len(content) // 8)], cut
    yield "wrong beginning", _spoilt(content, magic), bool(magic)
    yield "something else", b"<html>\xff\0not this format</html>\n" * 8, True


def _spoilt(content: bytes, magic: Sequence[bytes | tuple[int, bytes]]) -> bytes:
    """Return the bytes with another beginning, and with something else where the signatures are."""
    spoilt = bytearray(b"\xff\xfeNO\0\0\0\0" * 2 + content[16:])
    for signature in magic:
        offset, expected = (0, signature) if isinstance(signature, bytes) else signature
        for at in range(max(offset, 16), min(offset + len(expected), len(spoilt))):
            spoilt[at] ^= 0xFF
    return bytes(spoilt)


def _expect_bad(subject: Subject, path: Path, what: str, *, must: bool) -> None:
    try:
        for _ in subject.load(path):
            pass
    except external.BadFile as why:
        if not why.facts.get("fix") or not why.facts.get("code"):
            raise Flaw(f"{what}: its BadFile has no code and fix: make it with self.bad_file") from why
        return
    except HangarError as why:
        raise Flaw(f"{what} gives {type(why).__name__} instead of BadFile: {why}") from why
    if must:
        raise Flaw(f"{what} is read as if it were good")


def _first(place: Path, outdir: Path) -> Path:
    return next(path for path in sorted(place.rglob("*")) if path != outdir)
