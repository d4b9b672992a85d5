"""What the server tells of its work: a line of JSON for each request, and counters for Prometheus."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from typing import Final

_log = logging.getLogger("hangar.server")
_PREFIX: Final = "hangar_server"


class Accounts:
    """Counters of one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._since = time.time()
        self.in_progress = 0

    def note(
        self, *, verb: str, repository: str, status: int, received: int, sent: int, seconds: float, who: str, peer: str
    ) -> None:
        """Count a request and log it. Names are escaped as JSON does it, so that none can forge a line."""
        with self._lock:
            self._requests[verb, status] += 1
            self._seconds[verb] += round(seconds * 1e6)
            self._bytes["received"] += received
            self._bytes["sent"] += sent
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "verb": verb,
            "repository": repository[:64],
            "status": status,
            "received": received,
            "sent": sent,
            "ms": round(1000 * seconds, 1),
            "who": who,
            "peer": peer,
        }
        _log.info("%s", json.dumps(line, ensure_ascii=True))

    def exposition(self) -> str:
        """Return the counters as Prometheus reads them (text format 0.0.4)."""
        with self._lock:
            lines = [f"# TYPE {_PREFIX}_requests_total counter"]
            lines += [
                f'{_PREFIX}_requests_total{{verb="{verb}",status="{status}"}} {count}'
                for (verb, status), count in sorted(self._requests.items())
            ]
            lines.append(f"# TYPE {_PREFIX}_request_seconds_total counter")
            lines += [
                f'{_PREFIX}_request_seconds_total{{verb="{verb}"}} {micros / 1e6:.6f}'
                for verb, micros in sorted(self._seconds.items())
            ]
            lines.append(f"# TYPE {_PREFIX}_bytes_total counter")
            lines += [
                f'{_PREFIX}_bytes_total{{direction="{way}"}} {count}' for way, count in sorted(self._bytes.items())
            ]
            lines.append(f"# TYPE {_PREFIX}_requests_in_progress gauge")
            lines.append(f"{_PREFIX}_requests_in_progress {self.in_progress}")
            lines.append(f"# TYPE {_PREFIX}_start_time_seconds gauge")
            lines.append(f"{_PREFIX}_start_time_seconds {self._since:.0f}")
        return "\n".join(lines) + "\n"
