"""The database: whole transactions, one snapshot a reader, growth under readers, damage noticed, forks harmless."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest

from hangar_core.errors import ClosedError, Corrupt, CorruptRecord, RefChanged
from hangar_core.storage.tables import TABLES, Tables, forget_tables, open_tables

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def put(tables: Tables, **values: bytes) -> None:
    with tables.write() as batch:
        for key, value in values.items():
            batch.put("refs", key.encode(), value)


def get(tables: Tables, key: str) -> bytes | None:
    with tables.read() as reader:
        return reader.get("refs", key.encode())


# --- batches --------------------------------------------------------------------------------------------------------


def test_a_batch_becomes_visible_when_its_block_ends_and_not_before(tables: Tables) -> None:
    with tables.write() as batch:
        batch.put("refs", b"k", b"v")
        assert get(tables, "k") is None
    assert get(tables, "k") == b"v"


def test_a_block_that_raises_changes_nothing(tables: Tables) -> None:
    put(tables, kept=b"old")

    def fail() -> None:
        with tables.write() as batch:
            batch.put("refs", b"kept", b"new")
            batch.put("nodes", b"fresh", b"value")
            batch.delete("refs", b"kept")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert get(tables, "kept") == b"old"
    with tables.read() as reader:
        assert reader.get("nodes", b"fresh") is None


def test_a_failed_expectation_changes_nothing_in_any_table(tables: Tables) -> None:
    put(tables, head=b"one")

    def move_head() -> None:
        with tables.write() as batch:
            batch.put("nodes", b"fresh", b"value")
            batch.put("refs", b"other", b"value")
            batch.expect("refs", b"head", b"two", "master")
            batch.put("refs", b"head", b"three")

    with pytest.raises(RefChanged, match="master"):
        move_head()
    assert (get(tables, "head"), get(tables, "other")) == (b"one", None)
    with tables.read() as reader:
        assert list(reader.items("nodes")) == []


@pytest.mark.parametrize(("there", "expected"), [(b"one", b"one"), (None, None), (b"", b"")])
def test_an_expectation_that_holds_lets_the_batch_pass(
    tables: Tables, there: bytes | None, expected: bytes | None
) -> None:
    if there is not None:
        put(tables, head=there)
    with tables.write() as batch:
        batch.expect("refs", b"head", expected, "master")
        batch.put("refs", b"head", b"next")
    assert get(tables, "head") == b"next"


@pytest.mark.parametrize(("there", "expected"), [(None, b""), (b"", None), (b"one", None), (None, b"one")])
def test_nothing_and_an_empty_value_are_different_expectations(
    tables: Tables, there: bytes | None, expected: bytes | None
) -> None:
    if there is not None:
        put(tables, head=there)
    with pytest.raises(RefChanged), tables.write() as batch:
        batch.expect("refs", b"head", expected, "master")


def test_a_later_change_of_a_key_replaces_an_earlier_one(tables: Tables) -> None:
    put(tables, a=b"1", b=b"1")
    with tables.write() as batch:
        batch.put("refs", b"a", b"2")
        batch.delete("refs", b"a")
        batch.delete("refs", b"b")
        batch.put("refs", b"b", b"3")
        batch.delete("refs", b"never there")
    assert (get(tables, "a"), get(tables, "b")) == (None, b"3")


def test_competing_compare_and_sets_lose_no_step(tables: Tables) -> None:
    """Four threads count together; each retries when another came first."""
    put(tables, count=(0).to_bytes(8, "big"))

    def count(steps: int) -> None:
        while steps:
            before = get(tables, "count")
            assert before is not None
            try:
                with tables.write() as batch:
                    batch.expect("refs", b"count", before, "count")
                    batch.put("refs", b"count", (int.from_bytes(before, "big") + 1).to_bytes(8, "big"))
            except RefChanged:
                continue
            steps -= 1

    threads = [threading.Thread(target=count, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert get(tables, "count") == (40).to_bytes(8, "big")


# --- reading --------------------------------------------------------------------------------------------------------


def test_items_come_in_order_of_keys_and_stop_at_the_prefix(tables: Tables) -> None:
    put(tables, **{"b/2": b"", "a/9": b"x", "b/1": b"y", "c": b"z"})
    with tables.read() as reader:
        assert list(reader.items("refs", b"b/")) == [(b"b/1", b"y"), (b"b/2", b"")]
        assert [key for key, _ in reader.items("refs")] == [b"a/9", b"b/1", b"b/2", b"c"]
        assert list(reader.items("refs", b"d")) == []


def test_a_reader_inside_a_reader_is_the_same_snapshot(tables: Tables) -> None:
    put(tables, k=b"old")
    with tables.read() as outer:
        writer = threading.Thread(target=put, args=(tables,), kwargs={"k": b"new"})
        writer.start()
        writer.join(30)
        with tables.read() as inner:
            assert inner is outer
            assert inner.get("refs", b"k") == b"old"
        assert outer.get("refs", b"k") == b"old"
    assert get(tables, "k") == b"new"


def test_each_thread_has_a_snapshot_of_its_own(tables: Tables) -> None:
    put(tables, k=b"old")
    seen: list[bytes | None] = []
    with tables.read() as outer:
        put_and_get = threading.Thread(target=lambda: (put(tables, k=b"new"), seen.append(get(tables, "k"))))
        put_and_get.start()
        put_and_get.join(30)
        assert (outer.get("refs", b"k"), seen) == (b"old", [b"new"])


def test_a_write_inside_a_read_is_refused_before_it_could_wait_for_itself(tables: Tables) -> None:
    with tables.read(), pytest.raises(AssertionError), tables.write() as batch:
        batch.put("refs", b"k", b"v")
    assert get(tables, "k") is None


# --- growth ---------------------------------------------------------------------------------------------------------

FIRST_MAP = 48 << 10
READER = f"""
    import sys
    from pathlib import Path
    from hangar_core.storage.tables import Tables

    tables = Tables(Path(sys.argv[1]), first_map={FIRST_MAP})
    print("ready", flush=True)
    for line in sys.stdin:
        with tables.read() as reader:
            total = sum(len(value) for _, value in reader.items("nodes"))
            print(int.from_bytes(reader.get("refs", b"total"), "big"), total, flush=True)
"""


def test_the_map_grows_from_next_to_nothing_while_another_process_reads(
    tmp_path: Path, start: Callable[..., Any]
) -> None:
    """At least ten doublings: each batch is as large as all before it."""
    tables = Tables(tmp_path, first_map=FIRST_MAP)
    reader = start(READER, tmp_path)
    assert reader.stdout.readline() == "ready\n"
    total = 0
    for step in range(13):
        chunk = bytes([step]) * 4000
        with tables.write() as batch:
            for number in range(2**step):
                batch.put("nodes", b"%d/%d" % (step, number), chunk)
            total += 2**step * len(chunk)
            batch.put("refs", b"total", total.to_bytes(8, "big"))
        reader.stdin.write("look\n")
        assert reader.stdout.readline() == f"{total} {total}\n"
    assert tables.used_bytes() > FIRST_MAP * 2**9  # so that the map, a doubled first one, was doubled ten times
    with tables.read() as snapshot:
        assert sum(len(value) for _, value in snapshot.items("nodes")) == total
    tables.close()


def test_growth_waits_for_the_readers_of_its_own_process(tmp_path: Path) -> None:
    tables = Tables(tmp_path, first_map=FIRST_MAP)
    put(tables, k=b"old")
    reading, finish = threading.Event(), threading.Event()
    seen: list[bytes | None] = []

    def read() -> None:
        with tables.read() as reader:
            reading.set()
            finish.wait(30)
            seen.append(reader.get("refs", b"k"))

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait(30)
    threading.Timer(0.2, finish.set).start()
    put(tables, k=bytes(1 << 20))
    thread.join(30)
    assert seen == [b"old"]
    assert get(tables, "k") == bytes(1 << 20)
    tables.close()


def test_a_batch_that_made_the_map_grow_is_still_all_or_nothing(tmp_path: Path) -> None:
    tables = Tables(tmp_path, first_map=FIRST_MAP)

    def grow_and_expect() -> None:
        with tables.write() as batch:
            batch.put("nodes", b"large", bytes(1 << 20))
            batch.expect("refs", b"head", b"something", "master")

    with pytest.raises(RefChanged):
        grow_and_expect()
    with tables.read() as reader:
        assert list(reader.items("nodes")) == []
    tables.close()


# --- damage ---------------------------------------------------------------------------------------------------------


def tamper(path: Path, change: Callable[[bytes], bytes], key: bytes = b"k", target: bytes = b"k") -> None:
    """Store `change(value)` past the library, as rot would."""
    forget_tables(path)
    with lmdb.open(os.fspath(path), max_dbs=len(TABLES)) as environment:
        table = environment.open_db(b"refs")
        with environment.begin(write=True, db=table) as txn:
            txn.put(target, change(bytes(txn.get(key))))


FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "first byte flipped": lambda value: bytes([value[0] ^ 1]) + value[1:],
    "checksum flipped": lambda value: value[:-1] + bytes([value[-1] ^ 1]),
    "cut short": lambda value: value[:-1],
    "shorter than a checksum": lambda value: value[:3],
    "empty": lambda value: b"",
    "a byte more": lambda value: value + b"\0",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_changed_value_is_an_error_that_names_table_and_key(tables: Tables, forgery: str) -> None:
    put(tables, k=b"value")
    tamper(tables.path, FORGERIES[forgery])
    fresh = open_tables(tables.path)
    with fresh.read() as reader:
        with pytest.raises(CorruptRecord, match=f"refs/{b'k'.hex()}"):
            reader.get("refs", b"k")
        with pytest.raises(CorruptRecord):
            list(reader.items("refs"))
    with pytest.raises(CorruptRecord), fresh.write() as batch:
        batch.expect("refs", b"k", b"value", "k")


def test_a_value_that_strayed_to_another_key_is_an_error(tables: Tables) -> None:
    put(tables, k=b"value")
    tamper(tables.path, lambda value: value, target=b"other")
    with open_tables(tables.path).read() as reader:
        assert reader.get("refs", b"k") == b"value"
        with pytest.raises(CorruptRecord, match=b"other".hex()):
            reader.get("refs", b"other")


def test_a_missing_database_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(CorruptRecord, match="missing"):
        open_tables(tmp_path / "records")


def test_a_file_that_is_no_database_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"no database at all\n" * 1000)
    with pytest.raises(Corrupt):
        open_tables(tmp_path)


# --- one environment a process --------------------------------------------------------------------------------------


def test_two_opens_of_one_directory_give_one_environment(tables: Tables, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tables.path, target_is_directory=True)
    assert open_tables(tables.path) is tables
    assert open_tables(link) is tables


def test_a_forgotten_environment_refuses_and_the_next_is_a_new_one(tables: Tables) -> None:
    put(tables, k=b"v")
    forget_tables(tables.path)
    with pytest.raises(ClosedError), tables.read():
        pass
    with pytest.raises(ClosedError), tables.write():
        pass
    fresh = open_tables(tables.path)
    assert fresh is not tables
    assert get(fresh, "k") == b"v"
    tables.close()  # once more is fine


@forks
def test_a_forked_child_has_an_environment_of_its_own_and_leaves_the_parents_alone(
    tmp_path: Path, run: Callable[..., str]
) -> None:
    script = """
        import os, sys
        from pathlib import Path
        from hangar_core.storage.tables import open_tables

        path = Path(sys.argv[1])
        tables = open_tables(path)

        def put(tables, key, value):
            with tables.write() as batch:
                batch.put("refs", key, value)

        def get(tables, key):
            with tables.read() as reader:
                return reader.get("refs", key)

        put(tables, b"k", b"from the parent")
        child = os.fork()
        if child == 0:
            print(get(tables, b"k").decode(), "through the handle that was inherited", flush=True)
            assert open_tables(path) is tables
            put(tables, b"k", b"from the child")
            tables.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(get(tables, b"k").decode())
        put(tables, b"k", b"again from the parent")
        print(get(tables, b"k").decode())
    """
    assert run(script, tmp_path).splitlines() == [
        "from the parent through the handle that was inherited",
        "from the child",
        "again from the parent",
    ]


@forks
def test_a_child_forked_inside_a_snapshot_is_told_and_the_snapshot_stays(
    tmp_path: Path, run: Callable[..., str]
) -> None:
    script = """
        import os, sys
        from pathlib import Path
        from hangar_core.errors import ClosedError
        from hangar_core.storage.tables import open_tables

        path = Path(sys.argv[1])
        tables = open_tables(path)
        with tables.write() as batch:
            batch.put("refs", b"k", b"v")
        with tables.read() as reader:
            child = os.fork()
            if child == 0:
                try:
                    open_tables(path)
                except ClosedError as error:
                    print(error, flush=True)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert reader.get("refs", b"k") == b"v"
        with tables.read() as reader:
            print(reader.get("refs", b"k").decode())
    """
    assert run(script, tmp_path).splitlines() == [
        "This process was forked while the database was being read, and cannot open it.",
        "v",
    ]


@forks
def test_children_forked_while_threads_read_can_read_too(tmp_path: Path, run: Callable[..., str]) -> None:
    """A lock that another thread held at the fork is never released in the child."""
    script = """
        import os, sys, threading, warnings
        from pathlib import Path
        from hangar_core.storage.tables import open_tables

        warnings.simplefilter("ignore", DeprecationWarning)  # that threads and forks do not mix is what is tried here
        path = Path(sys.argv[1])
        tables = open_tables(path)
        with tables.write() as batch:
            batch.put("refs", b"k", b"v")
        stop = threading.Event()

        def read():
            while not stop.is_set():
                with open_tables(path).read() as reader:
                    assert reader.get("refs", b"k") == b"v"

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                with open_tables(path).read() as reader:
                    os._exit(0 if reader.get("refs", b"k") == b"v" else 1)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
        print("done")
    """
    assert run(script, tmp_path) == "done\n"
