"""(e) The embedded proxy: bytes of a layer per second against nginx, and manifests per second."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import statistics
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import urlopen

from bench.images import joined
from bench.measure import interleaved, service
from bench.table import Row, Target, ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.images import Image
    from bench.rig import Rig

_ROUNDS = 7
_TRANSFERS = 5
"""Transfers of one curl over one connection, so that its start counts little."""
_CLIENTS = 16
_SECONDS = 3
_NGINX = """\
daemon off; master_process off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {place}/t1; proxy_temp_path {place}/t2; fastcgi_temp_path {place}/t3;
  uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}; default_type application/x-gzip; }}
}}
"""


def rows(rig: Rig) -> list[Row]:
    """Measure bytes per second, then requests per second."""
    image = joined(rig, 1)
    with rig.proxy(image.source) as endpoint:
        found = [*_against_nginx(rig, image, endpoint), *_manifests(rig, image, endpoint)]
        # A proxy of a proxy: the layer comes from its cache, and the tag is asked for each time.
        with rig.proxy(endpoint) as second:
            found += _against_nginx(rig, image, second, "from its cache")
    return found


def _against_nginx(rig: Rig, image: Image, endpoint: str, how: str = "of a layout") -> list[Row]:
    if shutil.which("nginx", path=_path()) is None:
        print("bench: no nginx (apt-get install nginx-light): its rows are skipped")
        return []
    with _nginx(rig, image) as url:
        _rate(rig, image.layer_url(endpoint))  # the first fills the cache and proves the digest
        ours, others = interleaved(
            rig.often(_ROUNDS), lambda: _rate(rig, image.layer_url(endpoint)), lambda: _rate(rig, url)
        )
    return [
        Row(
            f"proxy bytes/s, {image.size / 1e6:.0f} MB layer {how} ÷ nginx",
            ratios(ours, others),
            "x",
            Target(">=", 0.85),
            _speed(ours),
            _speed(others),
            {"ours": ours, "nginx": others},
        )
    ]


def _rate(rig: Rig, url: str) -> float:
    """Return bytes per second as curl sees them, from request to last byte, over some transfers."""
    each = ["-o", os.devnull, url] * _TRANSFERS
    lines = rig.output("curl", "-sf", "-w", "%{size_download} %{time_total}\n", *each).split("\n")
    pairs = [line.split() for line in lines if line]
    return sum(float(size) for size, _ in pairs) / sum(float(seconds) for _, seconds in pairs)


@contextmanager
def _nginx(rig: Rig, image: Image) -> Iterator[str]:
    """Serve the layer's file with one worker; yield its URL."""
    place = rig.fresh()
    root = Path(place) / "root"
    root.mkdir()
    shutil.copyfile(image.layer, root / "layer")
    port = _free_port()
    config = Path(place) / "nginx.conf"
    config.write_text(_NGINX.format(place=place, port=port, root=root))
    program = shutil.which("nginx", path=_path()) or "nginx"
    with service([program, "-c", str(config), "-p", place, "-e", f"{place}/error.log"], rig.env, place):
        _wait_for(port)
        yield f"http://127.0.0.1:{port}/layer"


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.025)
    raise SystemExit("bench: nginx does not listen")


# -- requests ----------------------------------------------------------------------------------------------


def _manifests(rig: Rig, image: Image, endpoint: str) -> list[Row]:
    by_tag = image.manifest_url(endpoint)
    by_digest = f"{by_tag.rpartition('/')[0]}/{_child(by_tag)}"
    load = _wrk if shutil.which("wrk") else _own_load
    how = "wrk" if load is _wrk else "own loop"
    return [
        _requests(rig, f"proxy manifests/s {name} ({how}, {_CLIENTS} clients)", partial(load, rig, url))
        for name, url in (("by tag", by_tag), ("by digest", by_digest))
    ]


def _requests(rig: Rig, name: str, load: Callable[[], float]) -> Row:
    (rates,) = interleaved(rig.often(3), load)
    return Row(name, rates, "/s", Target(">=", 5000), f"{statistics.median(rates):,.0f} /s", "", {"ours": rates})


def _child(url: str) -> str:
    """Return the digest of the index's first child."""
    with urlopen(url) as answer:  # noqa: S310 - the proxy on loopback
        digest = re.search(rb"sha256:[0-9a-f]{64}", answer.read())
    assert digest is not None
    return digest[0].decode()


def _wrk(rig: Rig, url: str) -> float:
    text = rig.output("wrk", "-t1", f"-c{_CLIENTS}", f"-d{_SECONDS}s", url)
    errors = re.search(r"Non-2xx.*|Socket errors.*", text)
    if errors:
        raise SystemExit(f"bench: {errors[0]}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate is not None
    return float(rate[1])


def _own_load(_rig: Rig, url: str) -> float:
    """Send requests from threads over kept connections. It is far slower than wrk, so it understates the rate."""
    parts = urlsplit(url)
    counts: list[int] = []

    def ask() -> None:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
        count, end = 0, time.monotonic() + _SECONDS
        while time.monotonic() < end:
            connection.request("GET", parts.path)
            connection.getresponse().read()
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=ask) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / _SECONDS


def _speed(values: list[float]) -> str:
    return f"{statistics.median(values) / 1e9:.2f} GB/s"
