"""`Repository`: life before and after `init`, branches, log, summary, resolving names."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import (
    AlreadyExists,
    AmbiguousDigest,
    BranchNotFound,
    CommitNotFound,
    InvalidInput,
    Locked,
    NoCommits,
    RepositoryNotFound,
    UnsupportedFormat,
)
from hangar_core.hashing import digests


def test_directory_without_repository_is_worth_a_warning_unless_told(tmp_path):
    with pytest.warns(UserWarning, match="No repository exists"):
        Repository(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Repository(tmp_path, exists=False)


def test_directory_must_exist(tmp_path):
    with pytest.raises(InvalidInput):
        Repository(tmp_path / "nowhere", exists=False)


@pytest.mark.parametrize(
    "use",
    [
        lambda repo: repo.checkout(),
        lambda repo: repo.checkout(write=True),
        lambda repo: repo.log(),
        lambda repo: repo.summary(),
        lambda repo: repo.create_branch("x"),
        lambda repo: repo.remove_branch("x"),
        lambda repo: repo.merge("message", "master", "x"),
        lambda repo: repo.force_release_writer_lock(),
        lambda repo: repo.list_branches(),
        lambda repo: repo.status(),
        lambda repo: repo.path,
    ],
)
def test_everything_before_init_is_a_runtime_error_that_names_init(tmp_path, use):
    repo = Repository(tmp_path, exists=False)
    assert repo.initialized is False
    with pytest.raises(RuntimeError) as caught:
        use(repo)
    assert isinstance(caught.value, RepositoryNotFound)
    assert "hangar init" in caught.value.hint


def test_init_gives_the_path_and_one_branch(tmp_path):
    repo = Repository(tmp_path, exists=False)
    made = repo.init("Ada", "ada@example.org")
    assert made == os.path.join(repo.path, ".hangar")
    assert os.path.isdir(made)
    assert repo.initialized is True
    assert repo.list_branches() == ["master"]
    assert (repo.user.name, repo.user.email) == ("Ada", "ada@example.org")


def test_init_refuses_to_replace_a_repository_unless_told(filled):
    with pytest.raises(AlreadyExists):
        filled.init("Eve", "eve@example.org")
    assert len(filled.log_entries()) == 2
    filled.init("Eve", "eve@example.org", remove_old=True)
    assert filled.user.name == "Eve"
    assert filled.status().clean
    with pytest.raises(NoCommits):
        filled.log_entries()


def test_init_does_not_remove_a_repository_that_is_being_written(filled):
    writer = filled.checkout(write=True)
    with pytest.raises(Locked):
        filled.init("Eve", "eve@example.org", remove_old=True)
    writer.close()
    assert len(filled.log_entries()) == 2


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 257])
def test_init_refuses_names_that_a_config_file_cannot_keep(tmp_path, name):
    with pytest.raises(ValueError, match="user name"):
        Repository(tmp_path, exists=False).init(name, "a@b.c")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ['He said "no"', "back\\slash", "Ünï 漢字", "emoji 🙂", "[user]", "#1"])
def test_user_names_come_back_as_given(tmp_path, name):
    repo = Repository(tmp_path, exists=False)
    repo.init(name, "a@b.c")
    assert repo.user.name == name


def test_fresh_repository_can_be_written_but_has_nothing_to_read(repo):
    with pytest.raises(ValueError, match="no commits"):
        repo.checkout()
    with pytest.raises(RuntimeError):
        repo.create_branch("dev")
    writer = repo.checkout(write=True)
    assert writer.diff.status() == "CLEAN"
    assert len(writer.arraysets) == 0
    with pytest.raises(RuntimeError, match="No changes"):
        writer.commit("nothing")
    writer.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ((), {"write": "True"}),
        (("master",), {}),
        ((1,), {}),
        ((), {"branch": True}),
        ((), {"write": True, "commit": "abcd"}),
        ((), {"write": True, "commit": "master"}),
        ((), {"write": True, "branch": "nope"}),
        ((), {"branch": "nope"}),
        ((), {"commit": "abcdef"}),
    ],
)
def test_wrong_checkout_arguments_are_value_errors_and_leave_the_lock_free(filled, arguments):
    args, kwargs = arguments
    with pytest.raises(ValueError):  # noqa: PT011 - each class is tested where it is raised; callers catch ValueError
        filled.checkout(*args, **kwargs)
    filled.checkout(True).close()


def test_one_writer_many_readers(filled):
    writer = filled.checkout(write=True)
    with pytest.raises(PermissionError, match=f"process {os.getpid()}"):
        filled.checkout(write=True)
    readers = [filled.checkout() for _ in range(3)]
    assert all(len(reader.arraysets["numbers"]) == 3 for reader in readers)
    for checkout in [writer, *readers]:
        checkout.close()
    filled.checkout(write=True).close()


def test_changes_wait_for_the_next_writer_of_their_branch_only(filled):
    filled.create_branch("dev")
    writer = filled.checkout(write=True)
    writer.metadata["staged"] = "yes"
    writer.close()
    reader = filled.checkout()
    assert "staged" not in reader.metadata
    reader.close()
    with pytest.raises(ValueError, match="pending"):
        filled.checkout(write=True, branch="dev")
    again = filled.checkout(write=True, branch="master")
    assert again.diff.status() == "DIRTY"
    assert again.metadata["staged"] == "yes"
    again.commit("now")
    again.close()
    filled.checkout(write=True, branch="dev").close()
    assert filled.staging_branch == "dev"


def test_changes_that_cancel_each_other_do_not_bind_the_branch(filled):
    filled.create_branch("dev")
    writer = filled.checkout(write=True)
    writer.metadata["staged"] = "yes"
    del writer.metadata["staged"]
    writer.close()
    assert filled.status().clean
    filled.switch("dev")
    assert filled.staging_branch == "dev"


@pytest.mark.parametrize(
    "name", ["a b", "origin/master", "back\\slash", "line\n", "no!", "@", "#", "$", "(", ")", 1412, "x" * 65, "", ".."]
)
def test_branch_names_outside_the_rule_are_value_errors(filled, name):
    with pytest.raises(ValueError):  # noqa: PT011 - documented as ValueError
        filled.create_branch(name)
    assert filled.list_branches() == ["master"]


def test_branches_are_created_once_and_listed_by_name(filled):
    head = filled.log_entries()[0]
    for name in ("z", "a", "m.1-2_3"):
        made = filled.create_branch(name)
        assert made.name == name
        assert made.digest == digests.text(head.id)
    assert filled.list_branches() == ["a", "m.1-2_3", "master", "z"]
    with pytest.raises(ValueError, match="exists already"):
        filled.create_branch("a")


def test_branch_starts_at_the_staging_branch_or_where_told(filled):
    first = filled.log_entries()[1]
    dev = filled.create_branch("dev", base_commit=digests.text(first.id))
    assert dev.digest == digests.text(first.id)
    filled.switch("dev")
    assert filled.create_branch("from-dev").digest == dev.digest
    assert filled.create_branch("short", base_commit=dev.digest[:10]).digest == dev.digest
    with pytest.raises(CommitNotFound):
        filled.create_branch("lost", base_commit="0123456789")


def test_resolve_knows_branches_full_and_short_digests(filled):
    head, first = filled.log_entries()
    assert filled.resolve() == filled.resolve("master") == head.id
    full = digests.text(first.id)
    assert filled.resolve(full) == filled.resolve(full[:7]) == filled.resolve(full[:7].upper()) == first.id
    for unknown in ("nope", "abc", "0123456789", full + "00", "", "g" * 8):
        with pytest.raises(CommitNotFound, match="No expanded commit hash found"):
            filled.resolve(unknown)


def test_ambiguous_digests_name_their_candidates(repo):
    writer = repo.checkout(write=True)
    seen: dict[str, str] = {}
    for number in range(2000):
        writer.metadata["n"] = str(number)
        digest = writer.commit("c")
        if digest[:4] in seen:
            break
        seen[digest[:4]] = digest
    writer.close()
    with pytest.raises(AmbiguousDigest) as caught:
        repo.resolve(digest[:4])
    assert digest[:12] in str(caught.value)
    assert seen[digest[:4]][:12] in str(caught.value)


def test_log_as_a_dict_has_the_documented_keys(filled):
    filled.create_branch("dev")
    contents = filled.log(return_contents=True)
    assert set(contents) == {"head", "ancestors", "specs", "order", "branch_heads"}
    head, first = contents["order"]
    assert contents["head"] == head
    assert contents["ancestors"] == {head: [first], first: [""]}
    assert contents["branch_heads"] == {head: ["dev", "master"]}
    assert set(contents["specs"][first]) == {"commit_time", "commit_message", "commit_user", "commit_email"}
    assert contents["specs"][first]["commit_message"] == "first"
    assert isinstance(contents["specs"][first]["commit_time"], float)
    assert filled.log(commit=first, return_contents=True)["order"] == [first]


def test_log_prints_one_line_per_commit_newest_first(filled, capsys):
    filled.create_branch("dev")
    assert filled.log() is None
    head, first = filled.log(return_contents=True)["order"]
    assert capsys.readouterr().out == f"* {head} (dev) (master) : second\n* {first} : first\n"


def test_summary_prints_the_documented_facts(filled, capsys):
    assert filled.summary() is None
    text = capsys.readouterr().out
    for fact in (
        f"|  Base Directory: {filled.path}",
        "|  Message: second",
        "|  By: Ada",
        "|  Number of Named Arraysets: 1",
        "|  * Arrayset Name: numbers",
        "|    Num Arrays: 3",
        "|    - schema_max_shape: (2, 3)",
        "|    - schema_default_backend: 20",
        "|  Number of Keys: 1",
    ):
        assert fact in text


def test_commit_without_a_checkout_records_what_earlier_writers_staged(filled):
    writer = filled.checkout(write=True)
    writer.metadata["k"] = "v"
    writer.close()
    digest = filled.commit("later")
    assert filled.log(return_contents=True)["head"] == digest
    with pytest.raises(RuntimeError):
        filled.commit("again")
    with pytest.raises(ValueError, match="Empty commit message"):
        filled.commit("  \n ")


def test_newer_repositories_are_refused_and_untouched(filled):
    form = Path(filled.path, ".hangar", "format.json")
    for text in ('{"format": 2, "requires": []}', '{"format": 1, "requires": ["from-the-future"]}'):
        form.write_text(text)
        with pytest.raises(UnsupportedFormat, match="this version of hangar does not have"):
            Repository(filled.path).checkout()


def test_a_copied_repository_is_a_backup(filled, tmp_path_factory):
    import shutil

    target = tmp_path_factory.mktemp("copy") / "there"
    shutil.copytree(filled.path, target)
    copy = Repository(target)
    assert copy.log(return_contents=True) == filled.log(return_contents=True)
    reader = copy.checkout()
    assert np.array_equal(reader["numbers", "b"], np.full((2, 3), 2, np.float32))
    reader.close()


def test_a_writer_never_closed_does_not_disturb_the_end_of_its_process(tmp_path):
    script = f"""
import shutil
from hangar_core import Repository
repo = Repository({str(tmp_path)!r}, exists=False)
repo.init("A", "a@b.c")
co = repo.checkout(write=True)
co.metadata["k"] = "v"
shutil.rmtree({str(tmp_path / ".hangar")!r})
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_unknown_branch_says_what_there_is(filled):
    with pytest.raises(BranchNotFound, match=r"^branch with name: nope does not exist\. cannot get head\.$"):
        filled.switch("nope")
