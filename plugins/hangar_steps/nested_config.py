"""`NestedConfig`: settings as nested mappings with attributes, which can be frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self, TypeAlias

from hangar_core.errors import WrongType
from hangar_steps.errors import ConfigurationError
from hangar_steps.step_arguments import shown

# Inside a class that has a method `dict`, the type goes by another name.
_Plain: TypeAlias = dict[str, Any]
# Attributes that are no settings.
HIDDEN: Final = frozenset({"_frozen", "ignored_keys_in_hash"})


class NestedConfig(dict[str, Any]):
    """A dict whose text keys are attributes as well, and whose dotted keys reach into nested ones."""

    _frozen: bool

    def __init__(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        super().__init__()
        object.__setattr__(self, "_frozen", False)
        for key, value in {**_mapping(mapping), **values}.items():
            self[key] = value

    # --- access -----------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        """Return a setting. Raises `KeyError`; `WrongType` (a `TypeError`) for a key that is no text."""
        if not isinstance(key, str):
            raise WrongType(f"A key of a configuration is text such as `lr` or `model.lr`, not {shown(key)}.")
        if "." not in key:
            return super().__getitem__(key)
        first, _, rest = key.partition(".")
        inner = super().__getitem__(first)
        if not isinstance(inner, NestedConfig):
            raise KeyError(key)
        return inner[rest]

    def __setitem__(self, key: str, value: Any) -> None:
        """Set a value; a dotted key makes the levels that are missing. Raises `ConfigurationError`."""
        if not isinstance(key, str) or not all(key.split(".")):
            raise ConfigurationError(f"A key of a configuration is text such as `lr` or `model.lr`, not {shown(key)}.")
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
        if key not in self:
            self[key]  # says what is wrong with it
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
        if name in HIDDEN:
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
            for key, value in _mapping(other).items():
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
            for key, value in _mapping(other).items():
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


def _mapping(given: Any) -> _Plain:
    """Return a dict of what is one, or can be one. Raises `ConfigurationError`."""
    try:
        return dict(given or {})
    except (TypeError, ValueError) as why:
        raise ConfigurationError(f"Settings are a mapping from names to values, not {shown(given)}.") from why


def _rebuild(cls: type[NestedConfig], content: Mapping[str, Any], attributes: Mapping[str, Any]) -> Any:
    made = cls.__new__(cls)
    object.__setattr__(made, "_frozen", False)
    for key, value in content.items():
        NestedConfig.__setitem__(made, key, value)
    made.__dict__.update({name: value for name, value in attributes.items() if name != "_frozen"})
    return made._set_frozen(bool(attributes.get("_frozen")))
