"""`Config`: the settings of a run as nested mappings with attributes, and the identity that follows from them."""

from __future__ import annotations

import inspect
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeAlias

from hangar_core.errors import PackageMissing, WrongType
from hangar_steps.code_version import code_head
from hangar_steps.config_types import converter
from hangar_steps.errors import ConfigurationError

IGNORED: Final = frozenset({
    *("timestamp", "iter", "step", "epoch", "results", "score_split", "score", "log_interval", "save_interval"),
    *("tensorboard", "checkpoint", "auto_resume", "experiment_id", "run_id"),
})  # fmt: skip
"""Settings that do not enter `run_uuid`. (`experiment_id` enters as its name space.)"""
NO_CODE: Final = "x" * 16
"""`experiment_id` where the code is under no git repository."""
# Inside a class that has a method `dict`, the type goes by another name.
_Plain: TypeAlias = dict[str, Any]
# What is a number in a file, and how it is had of a value whose class extends that.
_PLAIN: Final[dict[type, Callable[[Any], Any]]] = {
    type(None): lambda _: None,
    bool: bool,
    int: int.__index__,
    float: float.__float__,
}
# Attributes that are no settings.
_HIDDEN: Final = frozenset({"_frozen", "ignored_keys_in_hash"})


class NestedConfig(dict[str, Any]):
    """A dict whose text keys are attributes as well, and whose dotted keys reach into nested ones."""

    _frozen: bool

    def __init__(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        super().__init__()
        object.__setattr__(self, "_frozen", False)
        for key, value in {**(mapping or {}), **values}.items():
            self[key] = value

    # --- access -----------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        if "." not in key:
            return super().__getitem__(key)
        first, _, rest = key.partition(".")
        inner = super().__getitem__(first)
        if not isinstance(inner, NestedConfig):
            raise KeyError(key)
        return inner[rest]

    def __setitem__(self, key: str, value: Any) -> None:
        """Set a value; a dotted key makes the levels that are missing. Raises `ConfigurationError`."""
        if not isinstance(key, str) or not key:
            raise ConfigurationError(f"A key of a configuration is text, not {key!r}.")
        self._refuse_if_frozen()
        first, dot, rest = key.partition(".")
        if dot:
            if not isinstance(self.get(first), NestedConfig):
                self[first] = NestedConfig()
            self[first][rest] = value
            return
        nested = isinstance(value, Mapping) and not isinstance(value, NestedConfig)
        super().__setitem__(key, NestedConfig(value) if nested else value)

    def __delitem__(self, key: str) -> None:
        self._refuse_if_frozen()
        first, dot, rest = key.partition(".")
        if dot:
            del self[first][rest]
        else:
            super().__delitem__(key)

    def __contains__(self, key: object) -> bool:
        try:
            self[key]  # type: ignore[index]  # whatever is asked for
        except (KeyError, TypeError):
            return False
        return True

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getitem__(name)
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no setting {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HIDDEN:
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a setting, or `default`; nothing is made by looking."""
        return self[key] if key in self else default  # noqa: SIM401 - this is what `get` is

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a setting and return it. Raises `KeyError` without a default."""
        self._refuse_if_frozen()
        if key not in self and default:
            return default[0]
        value = self[key]
        del self[key]
        return value

    def update(self, *others: Any, **values: Any) -> None:
        """Set many settings."""
        for other in (*others, values):
            for key, value in dict(other).items():
                self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        self._refuse_if_frozen()
        super().clear()

    def popitem(self) -> tuple[str, Any]:
        self._refuse_if_frozen()
        return super().popitem()

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]
        self.update(other)
        return self

    def merge(self, *others: Mapping[str, Any], **values: Any) -> Self:
        """Set what others say, level by level: what they do not name stays. Returns itself."""
        for other in (*others, values):
            for key, value in other.items():
                mine = self.get(key)
                if isinstance(mine, NestedConfig) and isinstance(value, Mapping):
                    mine.merge(value)
                else:
                    self[key] = value
        return self

    def dict(self) -> _Plain:
        """Return plain nested dicts."""
        return {key: value.dict() if isinstance(value, NestedConfig) else value for key, value in self.items()}

    # --- freezing ---------------------------------------------------------------------------------------------------

    def freeze(self) -> Self:
        """Refuse changes from now on, at all levels. Returns itself."""
        return self._set_frozen(True)

    def defrost(self) -> Self:
        """Allow changes again. Returns itself."""
        return self._set_frozen(False)

    @property
    def frozen(self) -> bool:
        """Whether changes are refused."""
        return self._frozen

    def _set_frozen(self, frozen: bool) -> Self:
        self._frozen = frozen
        for value in self.values():
            if isinstance(value, NestedConfig):
                value._set_frozen(frozen)
        return self

    def _refuse_if_frozen(self) -> None:
        # A pickle fills the dict before its attributes are there.
        if self.__dict__.get("_frozen", False):
            raise ConfigurationError("This configuration is frozen.", hint="defrost() allows changes again")

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.dict(), dict(self.__dict__))

    def copy(self) -> Self:
        """Return a copy of this level."""
        return self.__copy__()

    def __copy__(self) -> Self:
        made: Self = _rebuild(type(self), dict(self), dict(self.__dict__))
        return made

    def __deepcopy__(self, memo: Any) -> Self:
        import copy

        made: Self = _rebuild(type(self), copy.deepcopy(self.dict(), memo), dict(self.__dict__))
        return made


def _rebuild(cls: type[NestedConfig], content: Mapping[str, Any], attributes: Mapping[str, Any]) -> Any:
    made = cls.__new__(cls)
    object.__setattr__(made, "_frozen", False)
    for key, value in content.items():
        NestedConfig.__setitem__(made, key, value)
    made.__dict__.update({name: value for name, value in attributes.items() if name != "_frozen"})
    return made._set_frozen(bool(attributes.get("_frozen")))


class Config(NestedConfig):
    """The settings of a run. `run_id` and `run_uuid` follow from what is set here, `experiment_id` is the code's.

    Subclasses add settings, or other defaults, as annotated attributes of the class; values are converted to plain
    types (``iters="7"`` gives 7). Any other key may be set too.
    """

    run_name: str = "Run"
    run_id: str
    experiment_name: str = "Experiment"
    experiment_id: str
    seed: int | None = None
    deterministic: bool = False
    iters: int = 0
    steps: int = 0
    epochs: int = 0
    iter_begin: int = 0
    step_begin: int = 0
    epoch_begin: int = 0
    iter_end: int | None = None
    step_end: int | None = None
    epoch_end: int | None = None
    score_split: str | None = None
    score_name: str = "loss"
    project_root: str = "experiments"
    checkpoint_dir_name: str = "checkpoints"
    log: bool = True
    tensorboard: bool = False
    log_interval: int | None = None
    save_interval: int | None = None

    ignored_keys_in_hash: frozenset[str]
    _defaults: ClassVar[_Plain]
    _types: ClassVar[_Plain]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _take_settings(cls)

    def __init__(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        """Raises `ValueError` or `TypeError` for a value that a setting cannot have."""
        super().__init__()
        object.__setattr__(self, "ignored_keys_in_hash", IGNORED)
        import copy

        self.update(copy.deepcopy(self._defaults), mapping or {}, values)
        if "experiment_id" not in self:
            self["experiment_id"] = code_head() or NO_CODE
        if "run_id" not in self:
            self["run_id"] = self.run_uuid.hex

    def __setitem__(self, key: str, value: Any) -> None:
        convert = self._types.get(key) if isinstance(key, str) else None
        super().__setitem__(key, value if convert is None else convert(value))

    # --- identity ---------------------------------------------------------------------------------------------------

    @property
    def experiment_uuid(self) -> uuid.UUID:
        """The first 16 characters of `experiment_id`, padded with ``x``, as a UUID. Raises `UnicodeEncodeError`."""
        return uuid.UUID(bytes=str(self["experiment_id"])[:16].ljust(16, "x").encode("ascii"))

    @property
    def run_uuid(self) -> uuid.UUID:
        """A UUID of all settings but those ignored, whatever their order; it follows each change.

        It is version 5, in the name space of `experiment_uuid`, over their canonical JSON. Raises `TypeError` for what
        is no plain data.
        """
        content = {key: value for key, value in self.items() if key not in self.ignored_keys_in_hash}
        return uuid.uuid5(self.experiment_uuid, _json_of(content))

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.run_uuid.int)

    # --- storage ----------------------------------------------------------------------------------------------------

    def jsons(self) -> str:
        """Return the settings as JSON, sorted by key. Raises `WrongType` naming the key of what is no plain data."""
        return _json_of(self, indent=2)

    @classmethod
    def from_jsons(cls, text: str) -> Self:
        """Return the configuration that `jsons` wrote. Raises `ConfigurationError`."""
        try:
            return cls._of(json.loads(text))
        except (json.JSONDecodeError, RecursionError) as why:
            raise ConfigurationError(f"This is no JSON: {why}") from why

    def yamls(self) -> str:
        """Return the settings as YAML, sorted by key. Raises as `jsons` does, `PackageMissing`."""
        dump, content = _yaml().safe_dump, plain_data(self, "")
        text: str = dump(content, sort_keys=True, allow_unicode=True)
        # This one is written as it is, and read as the end of a line.
        return dump(content, sort_keys=True) if "\x85" in text else text

    @classmethod
    def from_yamls(cls, text: str) -> Self:
        """Return the configuration that `yamls` wrote. Raises `ConfigurationError`, `PackageMissing`."""
        yaml = _yaml()
        try:
            return cls._of(yaml.safe_load(text))
        except (yaml.YAMLError, RecursionError) as why:
            raise ConfigurationError(f"This is no YAML of plain values: {why}") from why

    def json(self, file: str | os.PathLike[str]) -> None:
        """Write the settings to a JSON file."""
        Path(file).write_text(self.jsons(), "utf-8")

    def yaml(self, file: str | os.PathLike[str]) -> None:
        """Write the settings to a YAML file."""
        Path(file).write_text(self.yamls(), "utf-8")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the settings as the extension says: ``.json``, ``.yml``, ``.yaml``. Raises `TypeError` for others."""
        (self.json if _is_json(path) else self.yaml)(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the configuration in a file, with the identity it was saved with. Raises as `save` does."""
        read = cls.from_jsons if _is_json(path) else cls.from_yamls
        return read(Path(path).read_text("utf-8"))

    @classmethod
    def _of(cls, content: Any) -> Self:
        if not isinstance(content, dict):
            raise ConfigurationError(f"A configuration is a mapping, not {type(content).__name__}.")
        return cls(content)


def _take_settings(cls: type[Config]) -> None:
    """Make settings of the annotated attributes of a class: an attribute would hide the item."""
    inherited: _Plain = getattr(cls, "_defaults", {})
    types: dict[str, Any] = getattr(cls, "_types", {})
    own = [name for name in inspect.get_annotations(cls) if name not in _HIDDEN and name[0] != "_"]
    defaults = {name: cls.__dict__[name] for name in own if name in cls.__dict__}
    for name in defaults:
        delattr(cls, name)
    cls._defaults = {**inherited, **defaults}
    cls._types = {**types, **{name: made for name in own if (made := converter(cls, name)) is not None}}


_take_settings(Config)


def _is_json(path: str | os.PathLike[str]) -> bool:
    extension = Path(path).suffix.lower()
    if extension not in {".json", ".yml", ".yaml"}:
        raise TypeError(f"`{path}` does not say its kind: use .json, .yml or .yaml.")
    return extension == ".json"


def _json_of(content: Mapping[str, Any], indent: int | None = None) -> str:
    separators = (",", ": ") if indent else (",", ":")
    return json.dumps(plain_data(content, ""), sort_keys=True, ensure_ascii=False, indent=indent, separators=separators)


def plain_data(value: Any, key: str) -> Any:
    """Return plain data: paths as text, tuples as lists. Raises `WrongType` naming the key of anything else."""
    for kind, plain in _PLAIN.items():
        if isinstance(value, kind):
            return value if type(value) is kind else plain(value)
    if isinstance(value, str | os.PathLike):
        return _plain_text(value, key)
    if isinstance(value, Mapping):
        return {str(name): plain_data(inner, f"{key}.{name}" if key else str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(inner, f"{key}[{index}]") for index, inner in enumerate(value)]
    raise WrongType(
        f"The setting `{key}` is no plain data: {type(value).__qualname__}.",
        hint="plain data are None, booleans, numbers, text, paths, and lists and mappings of these",
    )


def _plain_text(value: Any, key: str) -> str:
    # The very text, whatever a class makes of `str(value)`.
    text: str = str.__getitem__(value, slice(None)) if isinstance(value, str) else os.fspath(value)
    try:
        text.encode()
    except UnicodeEncodeError as why:
        raise WrongType(f"The setting `{key}` has half of a character, which no file can hold: {text!a}.") from why
    return text


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as why:
        raise PackageMissing(what="A configuration in YAML", package="pyyaml", extra="yaml") from why
    return yaml


def settings_of(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of a configuration, for people to compare."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from ((f"{key}.{inner}", content) for inner, content in settings_of(value))
        else:
            yield key, value
