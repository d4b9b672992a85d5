"""Refuse answers of which no package can be made, before anything is written."""

import re
import sys

ANSWERS = {
    "name": (r"""{{ cookiecutter.name }}""", r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", "small letters, digits, single dashes"),
    "extensions": (
        r"""{{ cookiecutter.extensions }}""",
        r"[a-z0-9_+-]+(\.[a-z0-9_+-]+)*(,[a-z0-9_+-]+(\.[a-z0-9_+-]+)*)*",
        "extensions in small letters without a dot in front, with commas between them",
    ),
    "author": (r"""{{ cookiecutter.author }}""", r'[^"\\<>\n]*[^"\\<>\s]', 'one line without " \\ < >'),
    "email": (r"""{{ cookiecutter.email }}""", r'[^@\s"\\<>]+@[^@\s"\\<>]+', "an email address"),
}

for question, (answer, rule, words) in ANSWERS.items():
    if re.fullmatch(rule, answer) is None:
        sys.exit(f"{question} is {answer!r}: it has to be {words}.")
