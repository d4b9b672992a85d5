"""Finding plugins in the metadata of what is installed, and making one of them without trusting it.

Finding reads text files only. Making imports the plugin's module and calls its class; whatever goes wrong then is
turned into `PluginBroken`, so that one bad installation never keeps another plugin from working.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hangar_core.errors import HangarError, InvalidInput, PluginBroken
from hangar_core.external.base_plugin import API_VERSION, BasePlugin
from hangar_core.external.declared import specs_of

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

GROUP = "hangar.external.plugins"
# What the author of a plugin for an older contract has to change, by its number; those not listed are understood.
_CHANGES = {0: "read docs/plugins.md, then say API_VERSION = 1"}
MAGIC_WITHIN = 4096
"""Only this many bytes at the start of a file are looked at for the signatures in `MAGIC`."""
_BUNDLED_IN = "hangar-core"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """The distribution that a plugin comes with; empty for one that was registered by this process."""

    distribution: str = ""
    version: str = ""

    @property
    def bundled(self) -> bool:
        """Whether it comes with hangar itself."""
        return re.sub(r"[-_.]+", "-", self.distribution).lower() == _BUNDLED_IN

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip() or "registered by this process"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry point that may turn out to be a plugin."""

    name: str
    origin: Origin
    entry_point: EntryPoint

    @property
    def rank(self) -> tuple[bool, str, str, str]:
        """Orders candidates of one name, the one to use first, whatever the order of installation."""
        return not self.origin.bundled, self.origin.distribution.lower(), self.origin.version, self.entry_point.value


def find_candidates() -> list[Candidate]:
    """Return the plugins that installed distributions name, ordered by name and rank. Imports none of them."""
    found = [Candidate(point.name, _origin(point.dist), point) for point in _entry_points()]
    return sorted(found, key=lambda candidate: (candidate.name, candidate.rank))


def make_plugin(candidate: Candidate) -> BasePlugin:
    """Import and construct the plugin; raises `PluginBroken` with a reason of one line when it cannot be used."""
    try:
        plugin = candidate.entry_point.load()()
        check_plugin(plugin)
    except (Exception, SystemExit) as why:  # a guest may raise anything, or end the process with sys.exit()
        raise PluginBroken(
            plugin=candidate.name,
            distribution=str(candidate.origin),
            version=candidate.origin.version,
            reason=reason_of(why),
        ) from why
    return plugin  # type: ignore[no-any-return]  # check_plugin has seen that it is one


def check_plugin(plugin: object) -> None:
    """Raise `InvalidInput` with the reason why `plugin` cannot be used, if there is one."""
    if not isinstance(plugin, BasePlugin):
        raise InvalidInput(f"{type(plugin).__name__} is not a subclass of hangar_core.external.BasePlugin")
    api = plugin.API_VERSION
    if not isinstance(api, int) or api > API_VERSION:
        raise InvalidInput(f"it needs plugin API {api}, this hangar has {API_VERSION}: upgrade hangar-core")
    if api < API_VERSION and api in _CHANGES:
        raise InvalidInput(f"it is written for plugin API {api}, this hangar has {API_VERSION}: {_CHANGES[api]}")
    if not isinstance(plugin.PRIORITY, int):
        raise InvalidInput(f"its PRIORITY is {plugin.PRIORITY!r}, not a whole number")
    try:
        provides, accepts = plugin.provides, plugin.accepts
    except AttributeError as why:
        raise InvalidInput("its __init__ does not call super().__init__(provides=..., accepts=...)") from why
    BasePlugin(provides, accepts)  # once more: the plugin may have replaced them since
    _check_signatures(plugin.MAGIC)
    if plugin.Options is not None:
        specs_of(plugin.Options)


def _check_signatures(magic: object) -> None:
    """Check that `MAGIC` says at which byte which bytes stand, within the start of a file that is looked at."""
    right = isinstance(magic, Mapping) and all(
        isinstance(extension, str) and isinstance(several, tuple) and all(map(_is_signature, several))
        for extension, several in magic.items()
    )
    if not right:
        raise InvalidInput(f"its MAGIC is {magic!r}, not like {{'npy': (b'NUMPY', (128, b'DICM'))}}")


def _is_signature(one: object) -> bool:
    match (0, one) if isinstance(one, bytes) else one:
        case (int(offset), bytes(content)):
            return bool(content) and 0 <= offset <= MAGIC_WITHIN - len(content)
    return False


def reason_of(why: BaseException) -> str:
    """Return the cause of a failure in one line."""
    if isinstance(why, SystemExit):
        return f"it called sys.exit({'' if why.code is None else repr(why.code)})"
    text = " ".join(str(why).split())
    if not text:
        return type(why).__name__
    says_enough = isinstance(why, ImportError | HangarError)
    return text if says_enough else f"{type(why).__name__}: {text}"


def _entry_points() -> Iterable[EntryPoint]:
    from importlib import metadata  # a good part of the start-up time of this package, so only when it is needed

    try:
        return list(metadata.entry_points(group=GROUP))
    except Exception as why:  # one damaged entry_points.txt fails the whole scan, with many types of error
        _log.info("reading entry points one distribution at a time: %s", why)
        return list(_readable_entry_points(metadata.distributions()))


def _readable_entry_points(distributions: Iterable[Distribution]) -> Iterator[EntryPoint]:
    seen: set[str] = set()
    for distribution in distributions:
        origin = _origin(distribution)
        distribution_name = _fact(distribution, "name")
        if distribution_name in seen:
            continue  # found again further down the path, where an import would not find it
        try:
            points = [point for point in distribution.entry_points if point.group == GROUP]
        except Exception as why:  # as above
            _log.info("entry points of %s cannot be read: %s", origin, why)
            continue
        if distribution_name:
            seen.add(distribution_name)
        yield from points


def _origin(distribution: Distribution | None) -> Origin:
    return Origin(_fact(distribution, "name") or "unknown", _fact(distribution, "version"))


def _fact(distribution: Distribution | None, what: str) -> str:
    try:
        value: Any = getattr(distribution, what)
    except (AttributeError, KeyError, OSError, TypeError, ValueError):  # no METADATA file: it differs between Pythons
        return ""
    return value if isinstance(value, str) else ""
