"""What was when: the record tree, commits, refs, the staging area, and walks over them. None of it reads data."""
