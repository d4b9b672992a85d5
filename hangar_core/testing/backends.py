"""The contract of backends: what every one of them has to pass.

A backend's own test file is a subclass::

    class TestMine(BackendContract):
        code = "xm"

        def make_newer(self, directory):
            ...  # have the files in it say that they are of a later format

It talks to whole repositories through the public door, and so needs to know nothing of the backend's inside.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from hangar_core.backends import registry
from hangar_core.errors import InvalidInput
from hangar_core.repository import Repository
from hangar_core.storage.context import RepoContext
from hangar_core.storage.tables import forget_tables
from hangar_core.testing import samples as made

_SECONDS = 120
_COMMIT = """
import sys
from hangar_core import Repository
Repository(sys.argv[1]).commit("interrupted")
"""


class BackendContract:
    """What a backend promises. Subclasses say which one."""

    code: ClassVar[str]
    # Samples up to this many bytes are held; what is larger may stay in a pack.
    holds_up_to: ClassVar[int] = 1 << 20
    # Every set of options that is to be tried, as in `backend_opts`, without `backend`.
    option_sets: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    # How many arrays are stored where several files are wanted.
    many: ClassVar[int] = 1200

    def make_newer(self, directory: Path) -> None:
        """Have everything that the backend has stored in `directory` say that it is of a later format."""
        raise NotImplementedError

    # --- helpers ----------------------------------------------------------------------------------------------------

    @property
    def facts(self) -> registry.BackendFacts:
        """What the registry knows."""
        found = registry.find(self.code)
        assert found is not None, f"no backend has the code {self.code}"
        return found

    def _committed(self, place: Path, content: Mapping[str, Mapping[str, Any]], **more: Any) -> Repository:
        """Return a repository with one commit of arraysets of this backend."""
        repo = made.new_repository(place)
        with made.writing(repo) as writer:
            for name, samples in content.items():
                made.create(writer.arraysets, name, samples, self.code, **more)
            writer.commit("content")
        return repo

    def _check(self, repo: Repository, content: Mapping[str, Mapping[str, Any]]) -> None:
        with closing(repo.checkout()) as reader:
            assert made.mismatches(reader.arraysets, content) == []

    def _data(self, place: Path) -> Path:
        return place / ".hangar" / "data" / self.code

    def _files(self, place: Path) -> list[Path]:
        """Return the files of the backend, without those that only processes that run now need."""
        found = (path for path in self._data(place).rglob("*") if path.is_file() and path.name != "lock.mdb")
        return sorted(found)

    def _read(self, place: Path, way: str, told: object = None) -> list[dict[str, Any]]:
        """Read everything in another process; it must neither crash nor hang nor find a wrong value."""
        forget_tables(place / ".hangar" / "records")
        forget_tables(self._data(place))
        done = subprocess.run(  # noqa: S603 — this Python, on a module of our own
            [sys.executable, "-W", "error", "-m", "hangar_core.testing.reading", str(place), way],
            input=json.dumps(told),
            capture_output=True,
            encoding="utf-8",
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"exit {done.returncode} after {done.stdout[-500:]}\n{done.stderr[-3000:]}"
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [one for one in found if one["wrong"]] == []
        return found

    def _small(self) -> dict[str, dict[str, Any]]:
        content: dict[str, dict[str, Any]] = {
            "numbers": {f"n{number}": np.arange(24, dtype="<i4").reshape(4, 6) * number for number in range(1, 9)}
        }
        if "text" in self.facts.kinds:
            content["texts"] = {"a": "one text", "b": "another text " * 20}
        return content

    # --- in and out -------------------------------------------------------------------------------------------------

    def test_arrays_of_every_dtype_and_shape_come_back_to_the_last_bit(self, tmp_path: Path) -> None:
        content = {
            f"a{place}-{number}": {"x": made.array(dtype, shape, place * 100 + number), "zero": np.zeros_like(one)}
            for place, dtype in enumerate(made.dtypes())
            for number, shape in enumerate(made.SHAPES)
            for one in (made.array(dtype, shape, 0),)
        }
        repo = self._committed(tmp_path, content)
        self._check(repo, content)
        held = [one for samples in content.values() for one in samples.values()]
        assert made.codes_of(tmp_path, held) == {self.code}

    def test_arrays_of_variable_shape_come_back_with_the_shape_they_had(self, tmp_path: Path) -> None:
        content = {
            f"a{place}": {f"s{number}": made.array(dtype, shape, number) for number, shape in enumerate(made.VARIABLE)}
            for place, dtype in enumerate(("|u1", "<f8", "|b1", "<M8[us]", "<c16"))
        }
        repo = self._committed(tmp_path, content, shape=(6, 5), variable_shape=True)
        self._check(repo, content)
        held = [one for samples in content.values() for one in samples.values()]
        assert made.codes_of(tmp_path, held) == {self.code}

    def test_what_is_read_is_ones_own(self, tmp_path: Path) -> None:
        content = {"numbers": {"a": np.arange(6.0), "b": np.zeros((6,))}}
        repo = self._committed(tmp_path, content)
        with closing(repo.checkout()) as reader:
            for key in ("a", "b"):
                found = reader.arraysets["numbers"][key]
                assert found.flags.c_contiguous
                assert found.flags.writeable
                found[:] = 7
        self._check(repo, content)

    def test_large_and_small_arrays_come_back_beside_each_other(self, tmp_path: Path) -> None:
        sizes = [1, 7, 5_000, 300_000, self.holds_up_to, 2, 3_000_000]
        large = {f"s{size}": made.array("|u1", (size,), size) for size in sizes}
        repo = self._committed(tmp_path, {"mixed": large}, shape=(3_000_000,), variable_shape=True)
        self._check(repo, {"mixed": large})
        fitting = [one for one in large.values() if one.nbytes <= self.holds_up_to]
        assert made.codes_of(tmp_path, fitting) == {self.code}

    def test_text_and_bytes_come_back_exactly_or_are_refused_when_the_arrayset_is_made(self, tmp_path: Path) -> None:
        repo = made.new_repository(tmp_path)
        content: dict[str, dict[str, Any]] = {
            "text": {f"t{number}": text for number, text in enumerate(made.TEXTS)},
            "bytes": {f"b{number}": data for number, data in enumerate(made.BYTES)},
        }
        with made.writing(repo) as writer:
            for kind, samples in content.items():
                if kind in self.facts.kinds:
                    made.create(writer.arraysets, kind, samples, self.code)
                    continue
                with pytest.raises(InvalidInput, match=kind):
                    made.create(writer.arraysets, kind, samples, self.code)
                assert kind not in writer.arraysets
                made.create(writer.arraysets, kind, samples, None)
            writer.commit("content")
        self._check(repo, content)
        small = [one for kind in self.facts.kinds - {"array"} for one in content[kind].values() if len(one) < 5000]
        assert made.codes_of(tmp_path, small) <= {self.code}

    def test_every_set_of_options_stores_and_reads(self, tmp_path: Path) -> None:
        repo = made.new_repository(tmp_path)
        content: dict[str, dict[str, Any]] = {}
        with made.writing(repo) as writer:
            for number, options in enumerate(({}, *self.option_sets)):
                name = f"o{number}"
                content[name] = {"x": made.array("<f4", (9, 40), number), "y": np.full((9, 40), number, "<f4")}
                made.create(writer.arraysets, name, content[name], {"backend": self.code, **options})
            writer.commit("content")
        self._check(repo, content)
        assert made.codes_of(tmp_path, [one for two in content.values() for one in two.values()]) == {self.code}

    def test_options_it_does_not_have_are_refused(self, tmp_path: Path) -> None:
        with made.writing(made.new_repository(tmp_path)) as writer:
            with pytest.raises(InvalidInput, match="no-such-option"):
                writer.arraysets.init_arrayset(
                    "a", shape=(3,), dtype="f4", backend_opts={"backend": self.code, "no-such-option": 1}
                )
            assert "a" not in writer.arraysets

    # --- many samples -----------------------------------------------------------------------------------------------

    def test_many_samples_of_several_commits_and_writers_come_back(self, tmp_path: Path) -> None:
        repo = made.new_repository(tmp_path)
        content: dict[str, dict[str, Any]] = {"fixed": {}, "variable": {}}
        for round_ in range(3):
            with made.writing(repo) as writer:
                if round_ == 0:
                    first = np.zeros((4, 4), "<i4")
                    for name in content:
                        made.create(
                            writer.arraysets, name, {"first": first}, self.code, variable_shape=name == "variable"
                        )
                for name, samples in content.items():
                    new = {
                        f"{round_}-{number}": np.full(
                            (4, 4) if name == "fixed" else (1 + number % 4, number % 5), round_ * 10_000 + number, "<i4"
                        )
                        for number in range(self.many // 3)
                    }
                    writer.arraysets[name].update(new)
                    samples |= new
                assert made.mismatches(writer.arraysets, content) == []
                writer.commit(f"round {round_}")
                assert made.mismatches(writer.arraysets, content) == []
        self._check(repo, content)

    def test_equal_samples_are_stored_once(self, tmp_path: Path) -> None:
        noise = {f"n{number}": made.array("<u4", (2500,), number) for number in range(5)}
        content = {"one": noise, "two": noise}
        repo = self._committed(tmp_path, content)
        size = sum(path.stat().st_size for path in self._files(tmp_path))
        with made.writing(repo) as writer:
            made.create(writer.arraysets, "three", noise, self.code)
            writer.commit("again")
        self._check(repo, {**content, "three": noise})
        assert sum(path.stat().st_size for path in self._files(tmp_path)) == size

    def test_the_backend_of_an_arrayset_can_change_and_earlier_samples_stay(self, tmp_path: Path) -> None:
        repo = made.new_repository(tmp_path)
        content: dict[str, dict[str, Any]] = {"a": {}}
        for number, code in enumerate((self.code, "20", self.code)):
            with made.writing(repo) as writer:
                new = {f"{number}-{one}": made.array("<f4", (30,), number * 10 + one) for one in range(3)}
                if number == 0:
                    made.create(writer.arraysets, "a", new, code)
                else:
                    writer.arraysets["a"].change_backend(code)
                    writer.arraysets["a"].update(new)
                assert writer.arraysets["a"].backend == code
                content["a"] |= new
                writer.commit(f"on {code}")
            assert made.codes_of(tmp_path, new.values()) == {code}
        self._check(repo, content)

    def test_staged_samples_leave_nothing_behind_in_packs(self, tmp_path: Path) -> None:
        content = self._small()
        repo = made.new_repository(tmp_path)
        with made.writing(repo) as writer:
            for name, samples in content.items():
                made.create(writer.arraysets, name, samples, self.code)
            writer.arraysets["numbers"]["n1"] = np.zeros((4, 6), "<i4")
        with made.writing(repo) as writer:
            writer.arraysets["numbers"]["n2"] = np.zeros((4, 6), "<i4")
            writer.commit("content")
            writer.arraysets["numbers"]["n9"] = np.full((4, 6), 9, "<i4")
            writer.commit("more")
        content["numbers"] |= {
            "n1": np.zeros((4, 6), "<i4"),
            "n2": np.zeros((4, 6), "<i4"),
            "n9": np.full((4, 6), 9, "<i4"),
        }
        self._check(repo, content)
        packs = sum(path.stat().st_size for path in (tmp_path / ".hangar" / "data" / "20").glob("*.pack"))
        assert (packs < 1000) == self.facts.seals, packs

    def test_samples_that_were_put_aside_come_back(self, tmp_path: Path) -> None:
        content = self._small()
        repo = self._committed(tmp_path, content)
        more = {"late": np.full((4, 6), 77, "<i4")}
        with made.writing(repo) as writer:
            writer.arraysets["numbers"].update(more)
        repo.stashes.save("aside")
        self._check(repo, content)
        repo.stashes.pop()
        repo.commit("after all")
        content["numbers"] |= more
        self._check(repo, content)

    # --- processes --------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("way", ["threads", "fork", "spawn"])
    def test_samples_are_read_from_threads_and_processes(self, tmp_path: Path, way: str) -> None:
        if way == "fork" and not hasattr(os, "fork"):
            pytest.skip("this system does not fork")
        content = self._small()
        self._committed(tmp_path, content)
        count = sum(map(len, content.values()))
        found = self._read(tmp_path, way)
        assert len(found) >= 6
        assert [one["right"] for one in found] == [count] * len(found)

    def test_readers_go_on_while_commits_add(self, tmp_path: Path) -> None:
        content = self._small()
        repo = self._committed(tmp_path, content)
        ended = threading.Event()
        found: list[str] = []
        rounds = 0

        def read() -> None:
            nonlocal rounds
            while not ended.is_set() or rounds < 2:
                with closing(Repository(tmp_path).checkout()) as reader:
                    found.extend(made.mismatches(reader.arraysets, content))
                rounds += 1

        thread = threading.Thread(target=read)
        thread.start()
        try:
            with made.writing(repo) as writer:
                for number in range(8):
                    new = {f"m{number}": np.full((4, 6), 1000 + number, "<i4")}
                    writer.arraysets["numbers"].update(new)
                    writer.commit(f"more {number}")
        finally:
            ended.set()
            thread.join(_SECONDS)
        assert found == []
        assert not thread.is_alive()

    @pytest.mark.parametrize("turn", [1, 2])
    def test_a_crash_before_the_transaction_loses_nothing_and_leaves_no_file(self, tmp_path: Path, turn: int) -> None:
        """Killed when it was about to make its first or second transaction, whichever publishes the commit."""
        content = self._small()
        repo = self._committed(tmp_path, content)
        new = {f"n{number}": np.full((4, 6), 500 + number, "<i4") for number in range(4)}
        with made.writing(repo) as writer:
            writer.arraysets["numbers"].update(new)
        content["numbers"] |= new
        before = self._files(tmp_path) if self.facts.seals else []
        done = subprocess.run(  # noqa: S603 — this Python, on a script of our own
            [sys.executable, "-W", "error", "-c", _COMMIT, str(tmp_path)],
            env={**os.environ, "HANGAR_FAILPOINT": f"tables.commit:{turn}"},
            timeout=_SECONDS,
            check=False,
        )
        if turn == 1:
            assert done.returncode == -signal.SIGKILL
        if done.returncode == 0:  # there was no second one
            self._check(repo, content)
            return
        with made.writing(repo) as writer:
            if self.facts.seals:
                assert self._files(tmp_path) == before
            assert made.mismatches(writer.arraysets, content) == []
            writer.commit("again")
        self._check(repo, content)
        assert made.codes_of(tmp_path, new.values()) == {self.code}

    # --- damage -----------------------------------------------------------------------------------------------------

    def test_damage_anywhere_is_a_typed_error_or_the_right_value(self, tmp_path: Path) -> None:
        """Bits, sectors, ends. Each error names digest and file; none is a crash, a hang, or another value."""
        content = self._small()
        self._committed(tmp_path, content)
        forget_tables(self._data(tmp_path))
        told: list[tuple[str, str, int]] = []
        for path in self._files(tmp_path):
            size = path.stat().st_size
            name = str(path.relative_to(tmp_path))
            near = {*range(0, min(size, 160), 5), *range(max(0, size - 160), size, 7)}
            told += [(name, "flip", at) for at in sorted(near | set(range(0, size, size // 60 + 1)))]
            told += [(name, "zero", at) for at in range(0, size, size // 12 + 1)]
            told += [(name, "cut", at) for at in sorted({0, 1, 64, size // 3, size // 2, size - 64, size - 1})]
            told.append((name, "remove", 0))
        found = self._read(tmp_path, "damage", told)
        assert len(found) == len(told)
        count = sum(map(len, content.values()))
        refused = [one for one in found if one["refused"]]
        assert len(refused) > len(found) // 20, "most of this damage touched nothing: it proves little"
        for one in found:
            assert one["right"] + len(one["refused"]) == count
            for kind, digest_named, file in one["refused"]:
                assert digest_named, one["damage"]
                assert file == str(tmp_path / one["damage"][0]), one["damage"]
                assert one["damage"][1] != "remove" or kind == "DataMissing"
        assert any(one["damage"][1] == "remove" for one in refused)

    def test_a_file_of_a_later_format_is_a_typed_error(self, tmp_path: Path) -> None:
        content = self._small()
        self._committed(tmp_path, content)
        forget_tables(self._data(tmp_path))
        self.make_newer(self._data(tmp_path))
        (found,) = self._read(tmp_path, "plain")
        assert found["right"] == 0
        assert len(found["refused"]) == sum(map(len, content.values()))
        # To call it damaged would send its reader to mend what only has to be read by a later version.
        assert {(kind, named) for kind, named, _ in found["refused"]} == {("UnsupportedFormat", True)}

    def test_damaged_samples_are_healed_by_adding_them_again(self, tmp_path: Path) -> None:
        content = self._small()
        repo = self._committed(tmp_path, content)
        forget_tables(self._data(tmp_path))
        for path in self._files(tmp_path):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with made.writing(repo) as writer:
            made.create(writer.arraysets, "again", content["numbers"], self.code)
            writer.commit("healed")
        self._check(repo, {"numbers": content["numbers"], "again": content["numbers"]})

    # --- what a repository requires -----------------------------------------------------------------------------------

    def test_a_repository_says_that_it_needs_the_backend(self, tmp_path: Path) -> None:
        repo = made.new_repository(tmp_path)
        form = RepoContext(tmp_path).layout.format_file
        assert (self.facts.feature in json.loads(form.read_bytes())["requires"]) == (self.code == registry.DEFAULT)
        with made.writing(repo) as writer:
            made.create(writer.arraysets, "numbers", self._small()["numbers"], self.code)
            writer.commit("content")
        assert self.facts.feature in json.loads(form.read_bytes())["requires"]
