"""Where things lie on disk and how they get there: layout, tables, lock, data. See docs/formats/repository.md."""
