"""Compare two images of 250 MB: with a shared base in 10 s, with nothing shared in 30 s, in 200 MB of memory.

The peer reads the same bytes with `tar` and `sha256sum`: it lists each image and hashes every layer, and knows no package,
no link and no whiteout. Both are measured in the same run, each in a separate process.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.made_images import docker_image, dpkg_status, file, layer, python_package  # noqa: E402

FILES, BYTES = 15_000, 250_000_000
LIMITS = {"shared base": 10.0, "nothing shared": 30.0}
MEMORY_MB = 200


def files(seed, number, total):
    """So many files with random content: most are small, some are large, as in an image of Debian."""
    draw = random.Random(seed)
    weights = [draw.paretovariate(1.1) for _ in range(number)]
    unit = total / sum(weights)
    for at, weight in enumerate(weights):
        yield file(f"/usr/share/a{at % 97}/b{at % 13}/file-{at}", draw.randbytes(max(1, int(weight * unit))))


def packages(seed):
    draw = random.Random(seed)
    return {f"package_{at}": f"{at % 9}.{draw.randrange(3)}-1" for at in range(400)}


def images(folder):
    """Write both pairs; returns their paths by name."""
    lower = layer(file("/var/lib/dpkg/status", dpkg_status(**packages(0))), *files(1, FILES - 500, BYTES * 0.9))
    pairs = {}
    for side in (0, 1):
        upper = layer(*python_package("shop", f"1.{side}"), *files(10 + side, 500, BYTES * 0.1))
        docker_image(folder / f"shared-{side}.tar", [lower, upper])
    pairs["shared base"] = (folder / "shared-0.tar", folder / "shared-1.tar")
    del lower
    for side in (0, 1):
        status = file("/var/lib/dpkg/status", dpkg_status(**packages(side)))
        docker_image(folder / f"apart-{side}.tar", [layer(status, *files(20 + side, FILES, BYTES))])
    pairs["nothing shared"] = (folder / "apart-0.tar", folder / "apart-1.tar")
    return pairs


def measured(command):
    """Seconds and peak memory in MB of a process and its children, and what it prints."""
    watch = "import json,resource,subprocess,sys,time; b=time.monotonic(); r=subprocess.run(sys.argv[1:],stdout=subprocess.PIPE); print(json.dumps([time.monotonic()-b, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss/1000, r.returncode])); sys.stdout.flush(); sys.stdout.buffer.write(r.stdout)"
    done = subprocess.run([sys.executable, "-c", watch, *map(str, command)], capture_output=True, check=True)
    first, _, rest = done.stdout.partition(b"\n")
    seconds, megabytes, status = json.loads(first)
    assert status in (0, 1), (status, done.stderr)
    return seconds, megabytes, rest


PEER = """
set -e
for image in "$@"; do
    folder=$(mktemp -d -p /var/tmp)
    tar xf "$image" -C "$folder"
    for blob in "$folder"/blobs/sha256/*; do
        tar tvf "$blob" >/dev/null 2>&1 || true
        sha256sum "$blob" >/dev/null
    done
    rm -r "$folder"
done
"""


def peer(pair):
    """List and hash the content of two archives."""
    return measured(["bash", "-c", PEER, "peer", *pair])


def main():
    program = Path(sys.executable).with_name("pratique")
    failed = False
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        for name, pair in images(Path(folder)).items():
            seconds, megabytes, said = measured([program, "diff", *pair, "--json"])
            other_seconds, other_megabytes, _ = peer(pair)
            found = json.loads(said)
            print(
                f"{name:<15} pratique diff {seconds:6.1f} s {megabytes:5.0f} MB   tar+sha256sum {other_seconds:6.1f} s {other_megabytes:5.0f} MB   limit {LIMITS[name]:g} s, {MEMORY_MB} MB"
            )
            print(f"{'':<15} {found['sentence']}")
            failed |= seconds > LIMITS[name] or megabytes > MEMORY_MB or bool(found["findings"])
    return int(failed)


if __name__ == "__main__":
    print(
        "reading",
        time.strftime("%Y-%m-%d"),
        f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000} MB",
    )
    sys.exit(main())
