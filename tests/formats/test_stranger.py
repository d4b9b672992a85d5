"""A reader by a stranger: it knows docs/formats and nothing of hangar, and reads all of the golden repository.

Hangar itself only writes here, where a test needs more than the golden repository has.

If this has to change, the pages have to change, and that means another format.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from blake3 import blake3
from goldens.repository import METADATA, first_commit, second_commit, staged
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from hangar_core import Repository
from hangar_core.storage.tables import forget_tables

DOMAINS = {0x02: "text", 0x03: "bytes", 0x10: "schema", 0x20: "node", 0x21: "root", 0x22: "commit"}


class Fields:
    """The primitives of records.md."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def raw(self, size: int) -> bytes:
        assert size <= len(self.data)
        value, self.data = self.data[:size], self.data[size:]
        return value

    def uint(self, size: int) -> int:
        return int.from_bytes(self.raw(size), "little")

    def blob(self) -> bytes:
        return self.raw(self.uint(4))

    def text(self) -> str:
        return self.blob().decode()

    def digest(self, code: int) -> bytes:
        value = self.raw(33)
        assert value[32] == code
        return value

    def options(self) -> dict[str, str]:
        return {self.text(): self.text() for _ in range(self.uint(4))}


class Database:
    """repository.md: tables whose values are sealed with their keys."""

    def __init__(self, path: Path) -> None:
        self.tables: dict[str, dict[bytes, bytes]] = {}
        self.runs: dict[bytes, bytes] = {}
        self.placed: dict[bytes, bytes] = {}
        with lmdb.open(str(path), max_dbs=8, readonly=True, lock=False) as environment:
            for name in ("nodes", "refs", "reflog", "locations", "packs"):
                table = environment.open_db(name.encode(), create=False)
                with environment.begin(db=table) as txn:
                    self.tables[name] = {key: self.unsealed(key, value) for key, value in txn.cursor()}
            with contextlib.suppress(lmdb.NotFoundError):
                table = environment.open_db(b"recent", create=False)
                with environment.begin(db=table) as txn:
                    bundles = [self.unsealed(key, value) for key, value in txn.cursor()]
                for bundle in bundles:
                    self.unpack(bundle)
            with contextlib.suppress(lmdb.NotFoundError):
                table = environment.open_db(b"places", create=False)
                with environment.begin(db=table) as txn:
                    self.runs = {key: self.unsealed(key, value) for key, value in txn.cursor()}

                for key, value in self.runs.items():  # the highest number comes last
                    if len(key) > 4:
                        self.placed |= self.chunk(key, value)

    def place(self, digest: bytes) -> bytes:
        """repository.md: what counts is in bundles, then in locations, then in runs."""
        return self.tables["locations"].get(digest) or self.placed[digest[8:24]]

    @staticmethod
    def chunk(key: bytes, value: bytes) -> dict[bytes, bytes]:
        """repository.md: runs."""
        first = 1 + 16 * value[0]
        count, rest = divmod(len(value) - first, 24)
        names = [value[at : at + 16] for at in range(first, first + 16 * count, 16)]
        assert (rest, key[4:], names) == (0, names[0], sorted(set(names)))
        found = {}
        for name, place in zip(names, struct.unpack_from(f"<{count}Q", value, first + 16 * count), strict=True):
            file = 1 + 16 * (place >> 56)
            location = b"20" + value[file : file + 16] + struct.pack("<Q", 8 * (place >> 16 & (1 << 40) - 1))
            found[name] = location + (b"" if place & 65535 == 65535 else struct.pack("<H", place & 65535))
        return found

    def unpack(self, bundle: bytes) -> None:
        """repository.md: the table recent."""
        (count,) = struct.unpack_from("<I", bundle)
        rows = list(struct.iter_unpack("<BHI", bundle[4 : 4 + 7 * count]))
        key_at = 4 + 7 * count
        value_at = key_at + sum(size for _, size, _ in rows)
        for table, key_size, value_size in rows:
            key = bundle[key_at : key_at + key_size]
            value = self.unsealed(key, bundle[value_at : value_at + value_size])
            self.tables["locations" if table else "nodes"][key] = value
            key_at += key_size
            value_at += value_size
        assert value_at == len(bundle)

    @staticmethod
    def unsealed(key: bytes, sealed: bytes) -> bytes:
        value = sealed[:-8]
        assert sealed[-8:] == xxh3_64_digest(key + value)
        return value

    def record(self, digest: bytes) -> bytes:
        data = self.tables["nodes"][digest]
        if digest[32] == 0x20 and data[0] == 2:
            data = expanded(data)
        assert digest[:32] == blake3(f"hangar {DOMAINS[digest[32]]} 1\n".encode() + data).digest()
        return data


def expanded(data: bytes) -> bytes:
    """record-tree.md: a node as the database keeps it."""
    _, level, fanout, count, different, shared, size = struct.unpack_from("<BBHHHHH", data)
    fields = Fields(data[12:])
    prefix = fields.raw(shared)
    sizes = [fields.uint(2) for _ in range(count)] if size == 65535 else [size] * count
    keys = [prefix + fields.raw(one) for one in sizes]
    hashes = [fields.raw(32) for _ in range(different)]
    digests = [one + fields.raw(1) for one in hashes]
    named = [fields.uint(1) for _ in range(count)] if different < count else range(count)
    ends = [sum(map(len, keys[: number + 1])) for number in range(count)]
    assert len(fields.data) == (8 * count if level else 0)
    return b"".join(
        (
            struct.pack(f"<BBHI{count}I", 1, level, fanout, count, *ends),
            *keys,
            *[digests[one] for one in named],
            fields.data,
        )
    )


def read_key(data: bytes) -> Any:
    """records.md: a key, or the two of a nested one."""
    end = 9 if data[0] == 1 else (data.find(b"\0") if b"\0" in data else len(data))
    key = int.from_bytes(data[1:9], "big") if data[0] == 1 else data[1:end].decode()
    return (key, read_key(data[end + 1 :])) if end < len(data) else key


def entries(database: Database, digest: bytes, level: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """record-tree.md: what the leaves hold, in order. Checks where nodes end, and counts."""
    data = database.record(digest)
    form, here, fanout, count = struct.unpack_from("<BBHI", data)
    assert (form, fanout) == (1, 32)
    assert level is None or here == level
    ends = (0, *struct.unpack_from(f"<{count}I", data, 8))
    at = 8 + 4 * count
    keys = [data[at + start : at + end] for start, end in pairwise(ends)]
    assert keys == sorted(set(keys))
    assert not any(xxh3_64_intdigest(key, seed=here) < 2**59 for key in keys[:-1])
    at += ends[-1]
    digests = [data[at + 33 * number : at + 33 * (number + 1)] for number in range(count)]
    at += 33 * count
    if here == 0:
        assert at == len(data)
        yield from zip(keys, digests, strict=True)
        return
    counts = struct.unpack_from(f"<{count}Q", data, at)
    assert at + 8 * count == len(data)
    for key, child, below in zip(keys, digests, counts, strict=True):
        found = list(entries(database, child, here - 1))
        assert (found[-1][0], len(found)) == (key, below)
        yield from found


def read_sample(root: Path, digest: bytes, location: bytes) -> Any:
    """20.md: the frame at a location, or the place in a block."""
    assert location[:2] == b"20"
    uid, (offset,) = location[2:18], struct.unpack("<Q", location[18:26])
    pack = (root / "data" / "20" / f"{uid.hex()}.pack").read_bytes()
    assert pack[:64] == b"HGPACK20" + struct.pack("<II", 1, 0) + uid + struct.pack(
        "<Q", xxh3_64_intdigest(pack[:32])
    ) + bytes(24)
    if len(location) == 28:
        dtype, shape, payload = read_row(pack, digest, offset, *struct.unpack("<H", location[26:]))
        prefix = bytes([len(dtype)]) + dtype.encode() + bytes([len(shape)]) + struct.pack(f"<{len(shape)}Q", *shape)
        assert digest[:32] == blake3(b"hangar array 1\n" + prefix + payload).digest()
        return np.frombuffer(payload, dtype).reshape(shape)
    magic, codec, rank, k, units, size, found, check, head = struct.unpack_from("<4sBBBBQ33s7xQQ", pack, offset)
    assert (magic, codec, found, offset % 8) == (b"HF20", 0, digest, 0)
    header = pack[offset : offset + 8 * units]
    assert head == xxh3_64_intdigest(header[:64] + header[72:])
    shape = struct.unpack_from(f"<{rank}Q", header, 72)
    dtype = header[72 + 8 * rank : 72 + 8 * rank + k].decode("ascii")
    payload = pack[offset + len(header) : offset + len(header) + size]
    assert check == xxh3_64_intdigest(payload)
    if digest[32] == 1:
        prefix = bytes([k]) + dtype.encode() + bytes([rank]) + struct.pack(f"<{rank}Q", *shape)
        assert digest[:32] == blake3(b"hangar array 1\n" + prefix + payload).digest()
        return np.frombuffer(payload, dtype).reshape(shape)
    assert digest[:32] == blake3(f"hangar {DOMAINS[digest[32]]} 1\n".encode() + payload).digest()
    assert (dtype, shape) == (DOMAINS[digest[32]], (size,))
    return payload.decode() if digest[32] == 2 else payload


def read_row(pack: bytes, digest: bytes, offset: int, index: int) -> tuple[str, tuple[int, ...], bytes]:
    """20.md: a sample in a block that is not compressed."""
    magic, codec, rank, k, h, size, n, zero, check = struct.unpack_from("<4sBBBBQIIQ", pack, offset)
    assert (magic, codec, zero, offset % 8) == (b"HB20", 0, 0, 0)
    header = pack[offset : offset + 8 * h + 8 * n]
    assert check == xxh3_64_intdigest(header[:24] + header[32:])
    shape = struct.unpack_from(f"<{rank}Q", header, 32)
    dtype = header[32 + 8 * rank : 32 + 8 * rank + k].decode("ascii")
    each, rest = divmod(size, n)
    assert rest == 0
    begin = offset + len(header) + each * index
    payload = pack[begin : begin + each]
    seed = int.from_bytes(digest[:8], "little")
    assert struct.unpack_from("<Q", header, 8 * h + 8 * index)[0] == xxh3_64_intdigest(payload, seed=seed)
    return dtype, shape, payload


def read_schema(data: bytes) -> dict[str, Any]:
    fields = Fields(data)
    form, kind, flags, dtype = fields.uint(1), fields.uint(1), fields.uint(1), fields.text()
    shape = tuple(fields.uint(8) for _ in range(fields.uint(1)))
    assert (form, fields.data) == (1, b"")
    return {
        "kind": kind,
        "variable": flags & 1,
        "named": flags & 2,
        "nested": flags & 4,
        "dtype": dtype,
        "shape": shape,
    }


def read_commit(database: Database, commit: bytes) -> dict[str, Any]:
    fields = Fields(database.record(commit))
    assert fields.uint(1) == 1
    parents = [fields.digest(0x22) for _ in range(fields.uint(1))]
    told = {"parents": parents, "root": fields.digest(0x21), "time": fields.uint(8)}
    told |= {name: fields.text() for name in ("user", "email", "message")}
    assert fields.data == b""
    return told


def read_root(database: Database, digest: bytes) -> tuple[dict[str, Any], dict[bytes, bytes]]:
    """Return the arraysets (schema, options, key -> digest) and the metadata (key -> digest)."""
    fields = Fields(database.record(digest))
    assert fields.uint(1) == 1
    metadata = dict(entries(database, fields.digest(0x20)))
    assert fields.uint(8) == len(metadata)
    arraysets = {}
    for _ in range(fields.uint(4)):
        name, schema = fields.text(), read_schema(database.record(fields.digest(0x10)))
        samples = dict(entries(database, fields.digest(0x20)))
        names = {read_key(key)[0] if schema["nested"] else key for key in samples}
        assert fields.uint(8) == len(names)
        arraysets[name] = {"schema": schema, "options": fields.options(), "samples": samples}
    assert fields.data == b""
    assert list(arraysets) == sorted(arraysets)
    by_identity(arraysets)
    return arraysets, metadata


def by_identity(arraysets: dict[str, Any]) -> dict[str, str]:
    """records.md: which arrayset is which, whatever it is called (identity -> name)."""
    found = {}
    for name, told in arraysets.items():
        identity = told["options"].get("renamed.from", name)
        assert identity not in found
        assert told["options"].get("renamed.from") != name
        first, slash, number = identity.partition("/")
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", first)
        assert not slash or int(number) >= 2
        found[identity] = name
    return found


def read_frames(path: Path, generation: int) -> Iterator[tuple[int, int, Fields]]:
    """staging-log.md: (offset, operation, payload) of each whole frame that is of this generation."""
    log = path.read_bytes() if path.exists() else b""
    offset = 0
    while offset < len(log):
        magic, operation, zero, size = struct.unpack_from("<2sBBI", log, offset)
        end = offset + 8 + size
        seed = ((generation << 40) ^ offset) % 2**64 if offset else 0
        assert (magic, zero) == (b"HS", 0)
        assert struct.unpack_from("<Q", log, end) == (xxh3_64_intdigest(log[offset:end], seed=seed),)
        if offset == 0 and int.from_bytes(log[12:20], "little") != generation:
            return
        yield offset, operation, Fields(log[offset + 8 : end])
        offset = end + 8


def counting_log(root: Path, database: Database) -> list[tuple[int, int, Fields]]:
    """staging-log.md: the frames of the one log that is of the generation in the database, under either name."""
    generation = int.from_bytes(database.tables["refs"][b"generation"], "little")
    logs = [list(read_frames(root / name, generation)) for name in ("staging.log", "staging.log.next")]
    assert [] in logs
    return logs[0] or logs[1]


def replay(root: Path, database: Database, arraysets: dict[str, Any], metadata: dict[bytes, Any]) -> dict[bytes, bytes]:
    """staging-log.md: lay the log over what was committed; return where the data lie that it names."""
    places: dict[bytes, bytes] = {}
    marks = []
    for offset, operation, fields in counting_log(root, database):
        if operation == 1:
            assert (offset, fields.uint(4)) == (0, 1)
            fields.uint(8)
            branch, base, _ = fields.text(), fields.blob(), fields.text()
            assert branch.encode() == database.tables["refs"][b"HEAD"]
            assert base == database.tables["refs"][b"heads/" + branch.encode()]
        elif operation == 6:
            marks.append(offset)
        elif operation == 7:
            assert fields.text()
        elif operation == 11:
            while fields.data:
                part = fields.uint(1)
                assert part in {2, 3, 4, 5, 8, 9, 10}
                carry_out(part, Fields(fields.blob()), database, arraysets, metadata, places)
        else:
            carry_out(operation, fields, database, arraysets, metadata, places)
        assert fields.data == b""
    assert marks
    return {digest: place for digest, place in places.items() if place}


def carry_out(
    operation: int,
    fields: Fields,
    database: Database,
    arraysets: dict[str, Any],
    metadata: dict[bytes, Any],
    places: dict[bytes, bytes],
) -> None:
    """staging-log.md: one operation that changes what is staged."""
    if operation == 2:
        samples = arraysets[fields.raw(fields.uint(1)).decode()]["samples"]
        while fields.data:
            key_size, kind = fields.uint(2), fields.uint(1)
            key = fields.raw(key_size)
            if kind == 0:
                samples.pop(key, None)
            else:
                samples[key] = fields.raw(33)
                places[samples[key]] = fields.raw(kind - 1)
    elif operation == 3:
        told = arraysets.setdefault(fields.text(), {"samples": {}})
        told |= {"schema": read_schema(fields.blob()), "options": fields.options()}
    elif operation == 4:
        del arraysets[fields.text()]
    elif operation == 5:
        key, is_set = fields.blob(), fields.uint(1)
        if is_set:
            metadata[key] = fields.text()
        else:
            metadata.pop(key, None)
    elif operation == 8:
        assert fields.text() in {"merge", "cherry-pick", "revert", "stash"}
        fields.text()
        fields.text()
        fields.digest(0x21)
        fields.digest(0x21)
        assert fields.blob()[32:] in {b"", b"\x22"}
    elif operation == 9:
        fields.text()
        fields.blob()
    else:
        assert operation == 10
        name, schema = fields.text(), read_schema(fields.blob())
        samples = dict(entries(database, fields.digest(0x20)))
        assert fields.uint(8) <= len(samples)
        arraysets[name] = {"schema": schema, "options": fields.options(), "samples": samples}
    assert fields.data == b""


def check(
    root: Path, database: Database, arraysets: dict[str, Any], places: dict[bytes, bytes], content: dict[str, Any]
) -> None:
    """Compare every sample with what it should be; `titles` is the only name that was not the first."""
    assert set(arraysets) == set(content)
    assert by_identity(arraysets) == {"captions" if name == "titles" else name: name for name in content}
    for name, told in arraysets.items():
        found: dict[Any, Any] = {}
        for key, digest in told["samples"].items():
            place = places.get(digest) or database.place(digest)
            sample = read_sample(root, digest, place)
            if told["schema"]["nested"]:
                outer, inner = read_key(key)
                found.setdefault(outer, {})[inner] = sample
            else:
                found[read_key(key)] = sample
        renamed = {"renamed.from": "captions"} if name == "titles" else {}
        assert told["options"] == {"backend": "20", **renamed}
        np.testing.assert_equal(found, content[name])
        assert {type(one) for one in found.values()} == {type(one) for one in content[name].values()}


@pytest.fixture
def root(golden_repository: Path) -> Path:
    return golden_repository / ".hangar"


@pytest.fixture
def database(root: Path) -> Database:
    return Database(root / "records")


def head(database: Database, branch: str) -> bytes:
    return database.tables["refs"][f"heads/{branch}".encode()]


def texts(database: Database, metadata: dict[bytes, Any]) -> dict[Any, str]:
    return {
        read_key(key): value if isinstance(value, str) else database.record(value).decode()
        for key, value in metadata.items()
    }


def test_a_stranger_reads_both_commits(root: Path, database: Database) -> None:
    assert json.loads((root / "format.json").read_bytes()) == {"format": 1, "requires": ["pack-20"]}
    for branch, content, name in (("master", first_commit(), "first"), ("dev", second_commit(), "second")):
        commit = read_commit(database, head(database, branch))
        arraysets, metadata = read_root(database, commit["root"])
        check(root, database, arraysets, {}, content)
        assert texts(database, metadata) == METADATA[name]


def test_a_stranger_reads_who_did_what(database: Database) -> None:
    first, second = head(database, "master"), head(database, "dev")
    assert read_commit(database, second)["parents"] == [first]
    assert read_commit(database, first)["parents"] == []
    assert read_commit(database, first)["user"] == "Zoë Müller"
    assert read_commit(database, first)["message"] == "first: images, numbers and more"

    tag = Fields(database.tables["refs"][b"tags/v1"])
    assert (tag.uint(1), tag.digest(0x22)) == (1, first)
    assert tag.uint(8) > read_commit(database, first)["time"]
    assert (tag.text(), tag.text(), tag.data) == ("Zoë Müller <zoe@example.org>", "the first one", b"")

    moves = []
    for key, value in database.tables["reflog"].items():
        name, _, rest = key.partition(b"\0")
        fields = Fields(value)
        assert (len(rest), fields.uint(1)) == (12, 1)
        moves.append((int.from_bytes(rest[:8], "big"), name.decode(), fields.blob(), fields.blob(), fields.text()))
        assert fields.text()
        assert fields.data == b""
    who = "Zoë Müller <zoe@example.org>"
    assert [move[1:] for move in sorted(moves)] == [
        ("master", b"", first, who),
        ("dev", b"", first, who),
        ("dev", first, second, who),
    ]


def test_a_stranger_reads_what_is_staged(root: Path, database: Database) -> None:
    arraysets, metadata = read_root(database, read_commit(database, head(database, "dev"))["root"])
    told: dict[bytes, Any] = dict(metadata)
    places = replay(root, database, arraysets, told)
    check(root, database, arraysets, places, staged())
    assert texts(database, told) == METADATA["staged"]


def test_a_stranger_finds_every_pack_published_up_to_a_whole_frame(root: Path, database: Database) -> None:
    for uid, value in database.tables["packs"].items():
        pack, end = (root / "data" / "20" / f"{uid.hex()}.pack").read_bytes(), int.from_bytes(value, "little")
        at = 64
        while at < end:
            units, size = struct.unpack_from("<7xBQ", pack, at)
            at += 8 * units + size + -size % 8
        assert at == end <= len(pack)


# --- what a reset keeps -----------------------------------------------------------------------------------------------


def rename_and_reset(repository: Path) -> None:
    """Stage an arrayset under another name, then move the branch to the first commit and keep all that is staged."""
    repo = Repository(repository)
    writer = repo.checkout(write=True)
    writer.arraysets.rename("captions", "titles")
    writer.close()
    repo.reset("master")
    forget_tables(repository / ".hangar" / "records")


def renamed() -> dict[str, Any]:
    content = staged()
    content["titles"] = content.pop("captions")
    return content


def check_staged(root: Path, content: dict[str, Any]) -> None:
    database = Database(root / "records")
    base = database.tables["refs"][b"heads/dev"]
    arraysets, metadata = read_root(database, read_commit(database, base)["root"])
    places = replay(root, database, arraysets, metadata)
    check(root, database, arraysets, places, content)
    assert texts(database, metadata) == METADATA["staged"]


def test_a_stranger_reads_groups_and_what_a_reset_has_kept(golden_repository: Path, root: Path) -> None:
    rename_and_reset(golden_repository)
    check_staged(root, renamed())


def test_a_stranger_finds_the_log_that_counts_wherever_a_reset_was_stopped(
    golden_repository: Path, root: Path, tmp_path: Path
) -> None:
    """Beside the old log, the prepared one is void before the transaction and counts after it; writers agree."""
    stopped_before = tmp_path / "before"
    shutil.copytree(root, stopped_before / ".hangar")
    old = (root / "staging.log").read_bytes()
    rename_and_reset(golden_repository)
    prepared = (root / "staging.log").read_bytes()
    for repository, content in ((golden_repository, renamed()), (stopped_before, staged())):
        (repository / ".hangar" / "staging.log").write_bytes(old)
        (repository / ".hangar" / "staging.log.next").write_bytes(prepared)
        check_staged(repository / ".hangar", content)
        writer = Repository(repository).checkout(write=True)
        assert set(writer.arraysets) == set(content)
        writer.close()
        forget_tables(repository / ".hangar" / "records")
        assert not (repository / ".hangar" / "staging.log.next").exists()
        check_staged(repository / ".hangar", content)


# --- arraysets under other names --------------------------------------------------------------------------------------


def test_a_stranger_follows_arraysets_through_their_names(golden_repository: Path, root: Path) -> None:
    """Two change names, one of them gives its name to a new one: each is found by its identity in every commit."""
    repo = Repository(golden_repository)
    repo.reset("dev", hard=True)
    writer = repo.checkout(write=True)
    first, second = sorted(writer)[:2]
    writer.arraysets.rename(first, "other")
    writer.arraysets.rename(second, first)
    writer.arraysets.rename("other", second)
    writer.commit("changed names")
    writer.arraysets.rename(first, "third")
    writer.add_str_arrayset(first)["new"] = "text"
    writer.add_str_arrayset("fourth")
    writer.commit("one more of that name")
    writer.close()
    forget_tables(root / "records")

    database = Database(root / "records")
    commit = read_commit(database, head(database, "dev"))
    (parent,) = commit["parents"]
    (before,) = read_commit(database, parent)["parents"]
    contents = [read_root(database, read_commit(database, one)["root"])[0] for one in (before, parent)]
    contents.append(read_root(database, commit["root"])[0])
    names = [by_identity(content) for content in contents]
    assert [one[first] for one in names] == [first, second, second]
    assert [one[second] for one in names] == [second, first, "third"]
    assert {one: names[2][one] for one in names[2].keys() - names[1].keys()} == {
        f"{first}/2": first,
        "fourth": "fourth",
    }
    for identity in (first, second):
        assert contents[0][names[0][identity]]["samples"] == contents[2][names[2][identity]]["samples"]


def test_a_stranger_reads_what_was_stored_in_bulk(tmp_path: Path) -> None:
    """Compact nodes, blocks, and runs of locations, one of them merged of two."""
    repo = Repository(tmp_path, exists=False)
    repo.init("Ana", "ana@example.org")
    content: dict[str, dict[Any, Any]] = {"rows": {}}
    writer = repo.checkout(write=True)
    aset = writer.arraysets.init_arrayset("rows", shape=(2, 3), dtype="<i2")
    for start in (0, 5000):
        rows = {number: np.arange(6, dtype="<i2").reshape(2, 3) + number for number in range(start, start + 2100)}
        aset.update(rows)
        content["rows"] |= rows
        writer.commit(f"from {start}")
    aset["one"] = content["rows"]["one"] = np.full((2, 3), -5, "<i2")
    writer.commit("one more")
    writer.close()
    forget_tables(tmp_path / ".hangar" / "records")
    database = Database(tmp_path / ".hangar" / "records")
    arraysets, _ = read_root(database, read_commit(database, head(database, "master"))["root"])
    check(tmp_path / ".hangar", database, arraysets, {}, content)
    assert sum(len(key) == 4 for key in database.runs) == 1
    assert any(value[:1] == b"\2" for value in database.tables["nodes"].values())
    (pack,) = (tmp_path / ".hangar" / "data" / "20").iterdir()
    assert b"HB20" in pack.read_bytes()
