"""The main job on the sample service: `make demo`, with processes and the embedded balancer, or
`make demo RUNTIME=docker`, with containers, HAProxy and syslog. `make demo STORE=influxdb` keeps the measurements in a new
InfluxDB server instead of a folder, `STORE=influxdb://HOST:8086/ORGANISATION/BUCKET` in a bucket of a server that runs.

Revision r1 runs behind the balancer under a steady load. r2, which is harmless, is released through
runbooks/release.ipynb and ends promoted; r3, which fails at the checkout and searches slowly, is released
the same way and ends rolled back. Afterwards nothing that was started is left. A port that another program uses is
replaced by a free one.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from demo_influxdb import existing_bucket, find_influxd, influxdb_running
from demo_ports import copy_with_free_ports

from pratique.errors import PratiqueError
from pratique.release.docker_engine import engine
from pratique.release.image import REVISION_LABEL

HERE = Path(__file__).parent
CONFIGS = {"process": HERE / "pratique.toml", "docker": HERE / "pratique-docker.toml"}
RUNTIME = os.environ.get("RUNTIME", "process")
STORES = ("delta", "influxdb", "influxdb://HOST:8086/ORGANISATION/BUCKET")
STORE = os.environ.get("STORE", "delta")
BASE = os.environ.get("BASE", "")
"""The base image; by default the one that the Dockerfile names by its digest."""
STATE = HERE / ".pratique"
CONFIG = STATE / "demo.toml"
RATE = 200
HISTORY_S = 20
LIMIT_S = 1800
"""The load ends with the releases; this is for a demo that was killed."""
EXPECTED = {"r2": "promote", "r3": "rollback"}


def pratique(*arguments: str) -> list[str]:
    """The command line of a pratique command with the demo's service file."""
    return [sys.executable, "-m", "pratique.cli", *arguments, "--config", str(CONFIG)]


def build_images() -> None:
    """One image per release, each with its revision as a label."""
    with engine("") as client:
        for folder in sorted((HERE / "releases").iterdir()):
            print(f"build pratique-shop:{folder.name} on {BASE or 'the base image of its Dockerfile'}", flush=True)
            client.images.build(
                path=str(folder),
                dockerfile=str(HERE / "Dockerfile"),
                tag=f"pratique-shop:{folder.name}",
                buildargs={"BASE": BASE} if BASE else {},
                labels={REVISION_LABEL: folder.name},
                rm=True,
            )


def release(revision: str) -> dict[str, str]:
    """Release a revision through the runbook; return what the run says of itself."""
    run = f"demo-{revision}"
    print(f"\n── release {revision} " + "─" * 60, flush=True)
    parameters = {"service": "shop", "revision": revision, "run_id": run, "why": "the demo", "who": "demo"}
    pairs = [word for key, value in parameters.items() for word in ("-p", key, value)]
    subprocess.run(pratique("run", "release", *pairs), check=False)
    result = STATE / "runs" / run / "result.json"
    if not result.exists():
        sys.exit(f"the run of {revision} left no result: see {result.parent}")
    return json.loads(result.read_text(encoding="utf-8"))


def make_store() -> AbstractContextManager[str]:
    """Return what gives the `[store]` table of the demo's service file, and runs the server of the store meanwhile."""
    if "://" in STORE:
        return nullcontext(existing_bucket(STORE))
    if STORE not in STORES:
        sys.exit(f"STORE={STORE!r} is not known: use {' or '.join(STORES)}")
    if STORE == "delta":
        return nullcontext("")
    find_influxd()
    return influxdb_running(STATE / "influxdb")


def main() -> int:
    """Run the demo; 0 when both releases ended as they should."""
    if RUNTIME not in CONFIGS:
        sys.exit(f"RUNTIME={RUNTIME!r} is not known: use {' or '.join(CONFIGS)}")
    store = make_store()
    began = time.monotonic()
    if RUNTIME == "docker":
        try:
            build_images()
        except PratiqueError as error:
            sys.exit(f"demo: {error}")
    shutil.rmtree(STATE, ignore_errors=True)
    address = copy_with_free_ports(CONFIGS[RUNTIME], CONFIG, state=STATE)
    with store as table:
        CONFIG.write_text(f"{CONFIG.read_text(encoding='utf-8')}\n{table}", encoding="utf-8")
        return run(address, began)


def answers(counts: str) -> str:
    """Say what the users got. counts: what the load printed, the answers by status as JSON."""
    found = json.loads(counts or "{}")
    return f"the load got {', '.join(f'{count:,} answers of {status}' for status, count in found.items()) or 'no answer'}"


def run(address: str, began: float) -> int:
    """Start the service, release both revisions, and stop everything; 0 when both ended as they should."""
    load = None
    results = {}
    try:
        up = subprocess.run(pratique("up", "shop", "r1"), check=False)
        if up.returncode:
            # its own message is above
            return up.returncode
        url = f"http://{address}"
        load = subprocess.Popen(
            [sys.executable, HERE / "load.py", "--url", url, "--rate", str(RATE), "--seconds", str(LIMIT_S)],
            stdout=subprocess.PIPE,
            text=True,
        )
        print(
            f"steady load: {RATE} requests/s; r1 alone for {HISTORY_S} s, to collect baseline data",
            flush=True,
        )
        time.sleep(HISTORY_S)
        for revision in EXPECTED:
            results[revision] = release(revision)
    finally:
        if load is not None:
            load.terminate()
            print(answers(load.communicate()[0]), flush=True)
        subprocess.run(pratique("down", "shop"), check=False)
    print()
    for revision, result in results.items():
        print(f"{revision}: {result['verdict']}: {result['reason']}\n    report {result.get('report', 'none')}")
    print(f"The demo took {time.monotonic() - began:.0f} s.")
    return 0 if {revision: result["verdict"] for revision, result in results.items()} == EXPECTED else 1


if __name__ == "__main__":
    sys.exit(main())
