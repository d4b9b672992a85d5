"""Many samples at once, read in this process or by a pool of others: `aset.get_batch`."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Final

from hangar_core.errors import InvalidInput, WorkersFailed
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from hangar_core.arraysets.reader import ArraysetDataReader

# Pieces of work for each process: few enough to be worth their way, enough to keep all of them busy to the end.
_PIECES: Final = 4


def read_batch(
    aset: ArraysetDataReader, names: SampleKey | Iterable[SampleKey], n_cpus: int | None, start_method: str
) -> Any:
    """Return the samples in order of names, or one sample for one name; see `ArraysetDataReader.get_batch`."""
    processes = _checked_processes(n_cpus, start_method)
    if isinstance(names, str | int):
        return aset[names]
    wanted = list(names)
    if aset.contains_subsamples:
        return [aset[name] for name in wanted]  # handles, which read nothing yet
    processes = min(processes, len(wanted))
    if processes <= 1 or aset.iswriteable:  # what is staged exists in the writer's process only
        return aset.read_many(wanted)
    aset.digests(wanted)  # an unknown one costs no process
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context(start_method))
    try:
        return list(pool.map(aset.get, wanted, chunksize=-(-len(wanted) // (processes * _PIECES))))
    except BrokenProcessPool as why:
        raise WorkersFailed(arrayset=aset.name, reason=str(why)) from why
    finally:
        pool.shutdown(cancel_futures=True)


def _checked_processes(n_cpus: int | None, start_method: str) -> int:
    if start_method not in (known := multiprocessing.get_all_start_methods()):
        raise InvalidInput(f"`start_method` is one of {', '.join(known)} here, not `{start_method}`.")
    if n_cpus is None:
        return 1
    if not isinstance(n_cpus, int) or isinstance(n_cpus, bool) or n_cpus < 1:
        raise InvalidInput(f"`n_cpus` is a number of processes >= 1 or None, not `{n_cpus}`.")
    return n_cpus
