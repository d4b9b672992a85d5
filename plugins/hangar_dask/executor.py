"""A Dask cluster as an executor of imports: its workers run `hangar_core.ingest.jobs.run_job`.

Dask runs a task again elsewhere when its worker is lost, up to the scheduler's `allowed-failures`. Its scheduler and
workers run what they are sent and are believed what they answer: a cluster has to be one's own (docs/cluster.md).
``dask+tls://`` takes certificates from Dask's configuration, ``distributed.comm.tls``.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from hangar_core.errors import RemoteFailed
from hangar_core.external.optional import needed
from hangar_core.ingest.jobs import run_job

_ANSWERS_WITHIN: Final = 30.0
_COUNTED_EACH: Final = 5.0


def open_dask(address: str) -> DaskExecutor:
    """Return the executor for the scheduler at an address. Raises `PackageMissing`, `RemoteFailed`."""
    return DaskExecutor(address)


class DaskExecutor:
    """A client of one scheduler."""

    def __init__(self, address: str, *, patience: float = _ANSWERS_WITHIN) -> None:
        """`patience`: seconds for the scheduler to answer, and then for the first worker to be there."""
        distributed = needed("distributed", extra="dask", what="An import on a Dask cluster")
        scheme, _, place = address.partition("://")
        self._address = address
        self._counted, self._slots = 0.0, 0
        try:
            self._client: Any = distributed.Client(
                f"{'tls' if scheme.lower().endswith('+tls') else 'tcp'}://{place}",
                timeout=patience,
                set_as_default=False,
                name="hangar-import",
            )
        except (OSError, TimeoutError, ValueError, TypeError) as why:
            reason = f"no Dask scheduler answers there: {_first_line(why)}"
            raise RemoteFailed(
                f"No import at `{address}`: {reason}.",
                address=address,
                reason=reason,
                hint="start one with `dask scheduler`, or check the address",
            ) from why
        try:
            self._client.wait_for_workers(1, timeout=patience)
        except (OSError, TimeoutError) as why:
            self.close()
            reason = f"its scheduler has no worker after {patience:g} s"
            raise RemoteFailed(
                f"No import at `{address}`: {reason}.",
                address=address,
                reason=reason,
                hint=f"start some: dask worker {place}",
            ) from why

    @property
    def slots(self) -> int:
        """Threads of all workers that are there; asked for every few seconds, since workers come and go."""
        now = time.monotonic()
        if not self._slots or now - self._counted > _COUNTED_EACH:
            with _Blaming(self._address):
                self._slots = max(1, sum(self._client.nthreads().values()))
            self._counted = now
        return self._slots

    def submit(self, job: bytes) -> Callable[[], bytes]:
        """Have a job run by some worker; what is returned waits for its answer. Raises `RemoteFailed`."""
        with _Blaming(self._address):
            future = self._client.submit(run_job, job, key=f"hangar-import-{uuid.uuid4().hex}", pure=False)
        return lambda: self._answer(future)

    def _answer(self, future: Any) -> bytes:
        with _Blaming(self._address):
            answer = future.result()
            future.release()
        if not isinstance(answer, bytes):
            raise RemoteFailed(address=self._address, reason="a worker gave an answer that is none")
        return answer

    def close(self) -> None:
        """Let the scheduler go; it forgets what nobody waits for any more."""
        self._client.close(timeout=5.0)


class _Blaming:
    """Turns what Dask raises, of whatever class, into `RemoteFailed`."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, _: object) -> None:
        if not isinstance(why, Exception) or isinstance(why, RemoteFailed):
            return
        reason, hint = _first_line(why), "look into the logs of its workers, then run the same command again"
        cause = why.__cause__ or why
        if isinstance(cause, ImportError) or "No module named" in str(why):
            reason, hint = _first_line(cause), "install hangar-core where the scheduler and the workers run"
        elif type(why).__name__ == "KilledWorker":
            reason = f"several workers died while they read the same files, the last one at {why.args[1].address}"
        raise RemoteFailed(
            f"The import at `{self._address}` broke off: {reason}.", address=self._address, reason=reason, hint=hint
        ) from why


def _first_line(why: BaseException) -> str:
    return (str(why).strip() or type(why).__name__).splitlines()[0][:300].rstrip(".")
