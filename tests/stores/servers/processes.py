"""The servers that the store tests talk to: started on free ports of 127.0.0.1, gone when the block ends."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
ACCESS_KEY: Final = "AKIAEXAMPLEOFTESTS01"
SECRET_KEY: Final = "secret-of-the-tests"  # noqa: S105  the servers are ours and end with the tests
REGION: Final = "eu-central-1"
BUCKET: Final = "larder-test"
STARTED_WITHIN_SECONDS: Final = 30
STARTS: Final = 3
GRPC_OFFSET: Final = 10_000  # weed listens there too
PR_SET_PDEATHSIG: Final = 1


def client(service: str, endpoint: str, **config: Any) -> Any:
    """A client of a test server, without retries of its own."""
    settings = {"connect_timeout": 2, "read_timeout": 20, "retries": {"max_attempts": 1}, **config}
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(**settings),
    )


@contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """The endpoint of an S3 server with the bucket `BUCKET`, its data in `folder`."""
    with ExitStack() as stack:
        for attempt in range(1, STARTS + 1):
            try:
                endpoint = stack.enter_context(_seaweedfs(folder / f"start-{attempt}"))
                break
            except (BotoCoreError, ClientError):  # somebody else took one of the ports meanwhile
                if attempt == STARTS:
                    raise
        yield endpoint


@contextmanager
def _seaweedfs(folder: Path) -> Iterator[str]:
    folder.mkdir()
    master, volume, filer, s3 = free_ports(4)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    command = [
        str(Path(sys.executable).parent / "weed"), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}",
        "-s3", f"-s3.port={s3}", f"-s3.config={config}", "-master.volumeSizeLimitMB=64", "-volume.max=20",
        f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
        f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/filer.sock",
    ]  # fmt: skip
    endpoint = f"http://127.0.0.1:{s3}"
    with running(command, folder):
        s3_client = client("s3", endpoint)

        def ready() -> None:
            try:
                s3_client.create_bucket(Bucket=BUCKET)
            except ClientError as error:
                if error.response["Error"]["Code"] not in {"BucketAlreadyExists", "BucketAlreadyOwnedByYou"}:
                    raise
            s3_client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")

        wait_for(ready)
        yield endpoint


@contextmanager
def dynalite(folder: Path) -> Iterator[str]:
    """The endpoint of a DynamoDB server, its data in memory."""
    script = HERE / "node_modules" / "dynalite" / "cli.js"
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers of pytest may come here at once
        if not script.exists():
            subprocess.run(["npm", "ci"], cwd=HERE, check=True, capture_output=True, timeout=300)  # noqa: S607
    (port,) = free_ports(1)
    guard = str(HERE / "survive.cjs")
    command = ["node", "--require", guard, str(script), "--port", str(port), "--host", "127.0.0.1"]
    command += ["--createTableMs", "50"]
    endpoint = f"http://127.0.0.1:{port}"
    with running(command, folder):
        wait_for(client("dynamodb", endpoint).list_tables)
        yield endpoint


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """The endpoint of moto's server, S3 and DynamoDB in memory, with the bucket `BUCKET`."""
    (port,) = free_ports(1)
    command = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    endpoint = f"http://127.0.0.1:{port}"
    with running(command, folder):
        where = {"LocationConstraint": REGION}
        wait_for(lambda: client("s3", endpoint).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where))
        yield endpoint


@contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[None]:
    """A block in which the command runs; it is killed at the end, and with the tests if they are killed."""
    with (folder / "server.log").open("wb") as log:
        hook = _die_with_parent  # it takes no lock
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, preexec_fn=hook)  # noqa: PLW1509
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(ready: Callable[[], object]) -> None:
    """Returns when `ready` ends without an error of the client."""
    deadline = time.monotonic() + STARTED_WITHIN_SECONDS
    while True:
        try:
            ready()
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def free_ports(n: int) -> list[int]:
    """Ports that nobody listens on, `GRPC_OFFSET` above them neither."""
    found: list[int] = []
    chance = random.SystemRandom()
    while len(found) < n:
        port = chance.randrange(20_000, 32_000)
        if port not in found and all(_is_free(p) for p in (port, port + GRPC_OFFSET)):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
