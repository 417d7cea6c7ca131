"""How long an examination of an engine with 40 containers takes; the peer is `docker inspect` and `docker stats` of each.

python tests/benchmarks/doctor.py
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pratique.config import load
from pratique.doctor.examine import examine
from support.docker_engine import engine_running

CONTAINERS = 40
RUNS = 3
LIMIT_S = 10.0
SLEEP = "import time\nwhile True: time.sleep(60)\n"


def main():
    """Start the containers, measure, print; exit status 1 when it takes too long."""
    with engine_running() as engine, tempfile.TemporaryDirectory() as folder:
        engine.image("shop:1", SLEEP)
        client = engine.client()
        for number in range(CONTAINERS):
            client.containers.run("shop:1", detach=True, name=f"shop-{number}", mem_limit="64m")
        file = Path(folder, "pratique.toml")
        file.write_text(f'[doctor]\nhosts = ["{engine.host}"]\n')
        times = []
        for _ in range(RUNS):
            found = examine(load(file))
            assert found.hosts[0].density.containers == CONTAINERS
            times.append(found.took_ms / 1000)
        began = time.monotonic()
        for container in client.containers.list():
            client.api.inspect_container(container.id)
            client.api.stats(container.id, stream=False)
        peer_s = time.monotonic() - began
        client.close()
    took_s = statistics.median(times)
    print(
        f"doctor: {CONTAINERS} containers, {len(found.checks)} checks: {took_s:.1f} s (median of {RUNS}); limit {LIMIT_S:g} s"
    )
    print(f"docker inspect and docker stats, one after the other: {peer_s:.1f} s")
    return 0 if took_s < LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
