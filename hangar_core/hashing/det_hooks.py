"""How a class takes a say in its deterministic hash: three mixins. What they return is hashed like any other value."""

from __future__ import annotations

from typing import Any, ClassVar, Self


class CustomDetHash:
    """Base of classes that say themselves what of them is hashed."""

    def det_hash_object(self) -> Any:
        """Return what is to be hashed in place of this object, together with its class; None: hash it as it is.

        The value may contain the object itself, which is hashed as it is then.
        """
        raise NotImplementedError(f"{type(self).__qualname__} does not define det_hash_object()")


class DetHashFromInitParams(CustomDetHash):
    """Mixin of classes of which only the arguments of `__init__` are hashed, as they were given to the outermost one.

    ``C(1)``, ``C(a=1)`` and ``C(1, default)`` have different hashes; attributes do not count.
    """

    _det_hash_params: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        inherited = super().__new__
        if inherited is object.__new__:
            # `object.__init__` does not complain where `__new__` takes arguments.
            if cls.__init__ is object.__init__ and (args or kwargs):
                raise TypeError(f"{cls.__name__}() takes no arguments")
            made = inherited(cls)
        else:
            made = inherited(cls, *args, **kwargs)
        # A frozen dataclass refuses the plain assignment.
        object.__setattr__(made, "_det_hash_params", (args, kwargs))
        return made

    def det_hash_object(self) -> Any:
        """Return (positional arguments, keyword arguments) of `__init__`."""
        args, kwargs = self._det_hash_params
        return args, dict(kwargs)


class DetHashWithVersion(CustomDetHash):
    """Mixin of classes whose hash can be changed by hand: raise `VERSION` when what the class does has changed."""

    VERSION: ClassVar[str | None] = None

    def det_hash_object(self) -> Any:
        """Return (`VERSION`, the object), or None while there is no version."""
        return None if self.VERSION is None else (self.VERSION, self)
