"""`Config`: the settings of a run, and the identity that follows from them."""

from __future__ import annotations

import inspect
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeAlias

from hangar_core.errors import PackageMissing, WrongType
from hangar_steps.code_version import code_head_or_warning
from hangar_steps.config_types import converter
from hangar_steps.errors import ConfigurationError
from hangar_steps.nested_config import HIDDEN, NestedConfig
from hangar_steps.plain_data import plain_data
from hangar_steps.step_arguments import shown

IGNORED: Final = frozenset({
    *("timestamp", "iter", "step", "epoch", "results", "score_split", "score", "log_interval", "save_interval"),
    *("tensorboard", "checkpoint", "auto_resume", "experiment_id", "run_id"),
})  # fmt: skip
"""Settings that do not enter `run_uuid`. (`experiment_id` enters as its name space.)"""
NO_CODE: Final = "x" * 16
"""`experiment_id` where the code is under no git repository."""
# Inside a class that has a method `dict`, the type goes by another name.
_Plain: TypeAlias = dict[str, Any]


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

        self.update(copy.deepcopy(self._defaults), mapping, values)
        if "experiment_id" not in self:
            self["experiment_id"] = code_head_or_warning(stacklevel=2) or NO_CODE
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
            content = json.loads(text)
        except (ValueError, TypeError, RecursionError) as why:
            raise ConfigurationError(f"This is no JSON: {why}") from why
        return cls._of(content)

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
        if not isinstance(text, str):
            raise ConfigurationError(f"YAML is text, not {shown(text)}.")
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
        try:
            text = Path(path).read_text("utf-8")
        except UnicodeDecodeError as why:
            raise ConfigurationError(f"`{path}` is no text in UTF-8: {why.reason} at byte {why.start}.") from why
        return read(text)

    @classmethod
    def _of(cls, content: Any) -> Self:
        if not isinstance(content, dict):
            raise ConfigurationError(f"A configuration is a mapping, not {type(content).__name__}.")
        return cls(content)


def _take_settings(cls: type[Config]) -> None:
    """Make settings of the annotated attributes of a class: an attribute would hide the item."""
    inherited: _Plain = getattr(cls, "_defaults", {})
    types: dict[str, Any] = getattr(cls, "_types", {})
    own = [name for name in inspect.get_annotations(cls) if name not in HIDDEN and name[0] != "_"]
    defaults = {name: cls.__dict__[name] for name in own if name in cls.__dict__}
    for name in defaults:
        delattr(cls, name)
    cls._defaults = {**inherited, **defaults}
    cls._types = {**types, **{name: made for name in own if (made := converter(cls, name)) is not None}}


_take_settings(Config)


def _is_json(path: str | os.PathLike[str]) -> bool:
    if not isinstance(path, str | os.PathLike):
        raise WrongType(f"The file of a configuration is a path, not {shown(path)}.")
    extension = Path(path).suffix.lower()
    if extension not in {".json", ".yml", ".yaml"}:
        raise WrongType(f"`{path}` does not say its kind: use .json, .yml or .yaml.")
    return extension == ".json"


def _json_of(content: Mapping[str, Any], indent: int | None = None) -> str:
    separators = (",", ": ") if indent else (",", ":")
    return json.dumps(plain_data(content, ""), sort_keys=True, ensure_ascii=False, indent=indent, separators=separators)


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as why:
        raise PackageMissing(what="A configuration in YAML", package="pyyaml", extra="yaml") from why
    return yaml
