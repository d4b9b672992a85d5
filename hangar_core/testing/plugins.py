"""The contract of plugins: what every one of them has to pass.

A plugin's own test file is a subclass::

    class TestPfm(PluginContract):
        plugin = "pfm"

        def samples(self):
            return {"pfm": [np.zeros((4, 6), "float32"), np.arange(24, dtype="float32").reshape(4, 6)]}

Files for the tests of `load` are written from the samples; a plugin that only reads gives `files` instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hangar_core import external
from hangar_core.external import BasePlugin
from hangar_core.testing import plugin_checks, plugin_processes
from hangar_core.testing.plugin_subject import Subject


class PluginContract:
    """What a plugin promises. Subclasses say which one, and give samples or files."""

    plugin: ClassVar[str]
    """The name of its entry point."""
    load_options: ClassVar[Mapping[str, Any]] = {}
    save_options: ClassVar[Mapping[str, Any]] = {}
    detects_truncation: ClassVar[bool] = True
    """Whether a file that is cut off can be told from a whole one. Of text it often cannot."""
    import_seconds: ClassVar[float] = 1.0
    """Processor time that the import of the plugin may take."""

    def samples(self) -> Mapping[str, Sequence[Any]]:
        """Return for each extension that is written some data that a file of it can hold."""
        return {}

    def files(self, folder: Path) -> Sequence[Path]:
        """Return files that `load` reads, made in `folder` or from anywhere; by default the samples are saved."""
        if "save" not in external.plugin_manager().get(self.plugin).provides:
            return []
        written = []
        for extension, several in self.samples().items():
            for number, sample in enumerate(several):
                detail = f"str:{extension}-{number}"
                external.save(sample, folder, detail, extension, plugin=self.plugin, **self.save_options)
                written.append(BasePlugin.target_path(folder, detail, extension))
        return written

    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        """What the checks look at."""
        for name in ("files", "scratch"):
            (tmp_path / name).mkdir()
        return Subject(
            name=self.plugin,
            folder=tmp_path / "scratch",
            files=tuple(self.files(tmp_path / "files")),
            samples=self.samples(),
            load_options=self.load_options,
            save_options=self.save_options,
            detects_truncation=self.detects_truncation,
            import_seconds=self.import_seconds,
        )

    def test_there_is_something_to_test_it_with(self, subject: Subject) -> None:
        assert "load" not in subject.provides or subject.files, "give samples, or files that it reads"
        assert "save" not in subject.provides or subject.samples, "give samples that it writes"

    def test_entry_point_class_and_facts_agree(self, subject: Subject) -> None:
        plugin_checks.metadata(subject)

    def test_each_option_explains_itself_and_unknown_ones_are_refused(self, subject: Subject) -> None:
        plugin_checks.options(subject)

    def test_its_import_is_quick_and_changes_nothing(self, subject: Subject) -> None:
        plugin_processes.quick_import(subject)

    def test_load_is_lazy(self, subject: Subject) -> None:
        plugin_checks.lazy(subject)

    def test_two_loads_agree(self, subject: Subject) -> None:
        plugin_checks.repeatable(subject)

    def test_names_are_unique_valid_and_safe(self, subject: Subject) -> None:
        plugin_checks.keys(subject)

    def test_what_is_saved_comes_back_as_promised(self, subject: Subject) -> None:
        plugin_checks.round_trip(subject)

    def test_bad_files_give_bad_file_and_nothing_else(self, subject: Subject) -> None:
        plugin_checks.bad_files(subject)

    def test_blanks_and_any_script_in_a_path_change_nothing(self, subject: Subject) -> None:
        plugin_checks.paths(subject)

    def test_nothing_is_written_outside_of_the_folder(self, subject: Subject) -> None:
        plugin_checks.outside(subject)

    def test_it_can_be_pickled(self, subject: Subject) -> None:
        plugin_checks.picklable(subject)

    def test_it_works_behind_fork_and_spawn(self, subject: Subject) -> None:
        plugin_processes.fork_and_spawn(subject)

    def test_show_works_without_a_terminal(self, subject: Subject) -> None:
        plugin_checks.shows(subject)

    def test_board_show_gives_an_allowed_type(self, subject: Subject) -> None:
        plugin_checks.board_shows(subject)

    def test_what_it_describes_can_be_handed_back(self, subject: Subject) -> None:
        plugin_checks.described(subject)

    def test_originals_decode_to_what_load_gives(self, subject: Subject) -> None:
        plugin_checks.originals(subject)
