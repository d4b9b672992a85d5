"""Options of a plugin that declares none: pairs of name and text, read one by one. See `declared` for the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hangar_core.errors import InvalidInput
from hangar_core.external.declared import WORDS, did_you_mean, unknown_option


class OptionReader:
    """The options given to one call of a plugin, checked against the names it knows.

    Values are text when they come from a command line; from Python they may have their real type already. Every method
    returns the default when the option is not given and raises `InvalidInput` for a value it cannot use; the error
    has the name of the option as its fact `option`.
    """

    def __init__(self, given: Mapping[str, object], known: Sequence[str], who: str) -> None:
        """Keep `given`. Raises `InvalidInput` if it has a name that is not in `known`; `who` is named in messages."""
        self._given = given
        self._who = who
        for name in given:
            if name not in known:
                raise unknown_option(name, known, who)

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return the option as text."""
        value = self._given.get(name)
        return default if value is None else str(value)

    def yes_no(self, name: str, default: bool) -> bool:
        """Return a switch: yes/no, true/false, on/off, 1/0."""
        value = self._given.get(name)
        if value is None:
            return default
        word = WORDS.get(str(value).strip().lower())
        if word is None:
            raise self.refusal(name, "is yes or no")
        return word

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        """Return a whole number between `minimum` and `maximum`, both included."""
        value = self._given.get(name)
        if value is None:
            return default
        rule = f"is a whole number from {minimum} to {maximum}"
        try:
            number = int(str(value))
        except ValueError as why:
            raise self.refusal(name, rule) from why
        if not minimum <= number <= maximum:
            raise self.refusal(name, rule)
        return number

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        """Return one of `choices`, whatever the case it was given in, or None."""
        value = self._given.get(name)
        if value is None:
            return None
        for choice in choices:
            if choice.lower() == str(value).strip().lower():
                return choice
        raise self.refusal(name, f"is one of {', '.join(choices)}", did_you_mean(str(value), choices))

    def refusal(self, name: str, rule: str, hint: str | None = None) -> InvalidInput:
        """Return the error for a value that breaks the `rule` ("is yes or no")."""
        message = f"option `{name}` of {self._who} {rule}, not `{self._given.get(name)}`."
        return InvalidInput(message, hint=hint, option=name)
