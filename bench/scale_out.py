"""What more probers bring on one machine: throughput, fairness and a mass outage with one, two and three of them.

    python -m bench.scale_out --seconds 30

Runs ``podhealth bench probe`` again and again, each time on a database of its own of one PostgreSQL that runs beside it
with fsync. Four loads: 300,000 checks a minute; twice that, which is more than two cores can do, to see what the
machine gives; the same as a tenant of 50,000 checks beside one of 10; and 2,000 checks a second while 30 % of the pods
begin to refuse, with healing. Prints a line for each run and one JSON object in the end.
"""

import argparse
import json
import sys

from podhealth.cli import bench_cpu, bench_probe
from podhealth.cli.bench_stock import Load, plan_load
from tests.support.operated import operated_postgres

_A_MINUTE, _LARGE, _SMALL_PODS, _A_POD = 300_000, 50_000, 2, 5
_SHOWN = (
    "recordedPerSecond", "checksProbed", "lagP50Ms", "lagP99Ms", "smallLagP99Ms", "recordedPerCpuSecond", "cpuSeconds",
    "databaseCpuSeconds", "machineCpuSeconds", "databasePerSecond", "rssMb",
)  # fmt: skip


def loads() -> dict[str, Load]:
    """Return what is run, by name."""
    pods = _LARGE // _A_POD
    crowd = plan_load(pods + _SMALL_PODS, pods + _SMALL_PODS, 0, None)
    return {
        "300,000 a minute": plan_load(pods, _A_MINUTE / 60, 0, None),
        "600,000 a minute": plan_load(pods, _A_MINUTE / 30, 0, None),
        "50,000 checks beside 10": crowd._replace(small=_SMALL_PODS),
        "30 % fall ill": plan_load(2_000, 2_000, 0, None, refusing=30, is_healing=True),
    }


def main() -> None:
    """Run each load with each number of probers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", help="the load whose name begins so")
    given = parser.parse_args()
    wanted = {name: load for name, load in loads().items() if name.startswith(given.only or "")}
    if not wanted or given.seconds < 1 or min(given.workers) < 1:
        parser.error(f"--only one of {', '.join(loads())}; --seconds and --workers 1 or more")
    found: list[dict[str, object]] = []
    for name, load in wanted.items():
        for workers in given.workers:
            with operated_postgres("podhealth_scale") as url:
                figures = bench_probe.run(load, given.seconds, url, workers)
            found.append({"load": name, "workers": workers} | {key: figures[key] for key in _SHOWN})
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    print(json.dumps({"runs": found, "seconds": given.seconds, "machine": bench_cpu.machine()}, indent=1))


if __name__ == "__main__":
    main()
