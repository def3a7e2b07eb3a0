from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.stores import nights, places
from tests.stores.servers.faults import Time, injected

FILES = ["fallbacks.msgpack", "items.bin", "shard-00000.bin", "shard-00001.bin"]


@pytest.mark.parametrize("connections", [1, 3])
def test_as_many_files_as_connections_go_side_by_side(
    request: pytest.FixtureRequest, tmp_path: Path, connections: int
) -> None:
    """Sent, and then read back: with three connections three of the four files at once, with one in their order."""
    place, lock = places.new_place("s3", request, tmp_path)(), threading.Lock()
    place.more = {"connections": connections}  # type: ignore[attr-defined]
    sent: dict[str, list[str]] = {"PUT": [], "GET": []}
    under_way, most = Counter[str](), Counter[str]()
    all_here = {method: threading.Barrier(connections, timeout=20) for method in sent}

    def together(send: Any, session: Any, request: Any, _: Time) -> Any:
        name, method = str(request.url).rpartition("/")[2].partition("?")[0], request.method
        if name not in FILES:
            return send(session, request)
        with lock:
            sent[method].append(name)
            under_way[method] += 1
            most[method] = max(most[method], under_way[method])
            is_early = len(sent[method]) <= connections
        if is_early:
            all_here[method].wait()
        answer = send(session, request)
        with lock:
            under_way[method] -= 1
        return answer

    with injected(together, Time(), first=1, n=None):
        nights.publish(place.store(), nights.night(tmp_path, 1))
    assert most == {"PUT": connections, "GET": connections}
    assert sorted(sent["PUT"]) == sorted(sent["GET"]) == FILES
    assert connections > 1 or sent == {"PUT": FILES, "GET": FILES}
