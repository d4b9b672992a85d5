"""{{ cookiecutter.__first }} files for hangar."""

from {{ cookiecutter.__module }}.plugin import {{ cookiecutter.__class }}

__all__ = ["{{ cookiecutter.__class }}"]
