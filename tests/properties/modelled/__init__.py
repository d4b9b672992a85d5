"""A repository beside a model of plain dicts."""
