"""Both versions of a sample that differs between two contents, each as its plugin shows it."""

from __future__ import annotations

from contextlib import closing

from hangar_core.errors import CorruptRecord, InvalidInput
from hangar_core.export import Description, View, view_of
from hangar_core.external import preferring
from hangar_core.hashing import digests
from hangar_core.history.content_diff import ContentDiff, DiffRow
from hangar_core.history.sizes import staged_places
from hangar_core.model import Arrayset
from hangar_core.storage.context import RepoContext
from hangar_core.storage.datastore import DataReader


def both_versions(context: RepoContext, found: ContentDiff, row: DiffRow) -> tuple[View, View]:
    """Return the old and the new version of the sample in a row of kind mutated; `View.commit` is empty.

    Reads by digest, so that what is only staged is found too. Raises `InvalidInput` for another row, `DataMissing`,
    `CorruptDataError`.
    """
    step = found.step(row.arrayset)
    if row.what != "sample" or row.kind != "mutated" or step is None or step.old is None or step.new is None:
        raise InvalidInput("Only a sample that both sides have has two versions.")
    with closing(context.open_data()) as data, preferring(context.layout.plugin_preferences):
        return (
            _version(context, data, row, step.renamed_from or step.name, step.old, row.old),
            _version(context, data, row, step.name, step.new, row.new),
        )


def _version(
    context: RepoContext, data: DataReader, row: DiffRow, name: str, arrayset: Arrayset, digest_text: str
) -> View:
    digest = digests.from_text(digest_text)
    if digest is None or row.key is None:
        raise CorruptRecord(what=f"difference of `{name}`", reason=f"`{digest_text}` is no digest of a sample")
    place = None if data.locate(digest) is not None else staged_places(context).get(digest)
    aset = Description(name, arrayset.schema, arrayset.options)
    return view_of(aset, row.key, data.get(digest, place), digest_text, commit="")
