"""The faults that are injected."""

import contextlib
import os
import shutil
import signal

from faults.harness import Fault

STEPS = (
    "check", "start the canary", "acceptance test", "take into the pool", "roll out", "conclude", "report", "record",
)  # fmt: skip


def kernel_kills():
    """Yield kills of the kernel at each step: at its beginning, and when it is done but not yet in the journal."""
    for step in STEPS:
        for event, moment in (("begun", "begins"), ("done", "is done, unrecorded")):
            yield Fault("kernel SIGKILL", f"{step}: {moment}", env={"FAULT_AT": f"{event} {step}"})
    yield Fault(
        "kernel SIGKILL", "roll out: users meet the canary", moment=rolling_out, strike=lambda t: t.kernel().kill()
    )


def rolling_out(trial):
    return trial.rolling_out()


def _to_canary(number):
    """Return a strike that sends a signal to the canary's own process."""

    def strike(trial):
        for process in trial.canary_processes():
            os.kill(process.pid, number)

    return strike


def _fill_disk(trial):
    with contextlib.suppress(OSError), (trial.place.disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


def _kill_collector(trial):
    trial.collector = trial.place.kill_part("collector")


def _hide_store(trial):
    store = trial.shop.folder / "disk/store"
    store.rename(store.with_name("hidden"))
    store.write_text("no store")


def _show_store(trial):
    store = trial.shop.folder / "disk/store"
    if store.is_dir():
        shutil.rmtree(store)
    store.unlink(missing_ok=True)
    store.with_name("hidden").rename(store)


def _broken_template(trial):
    broken = trial.shop.folder / "broken.cfg.j2"
    broken.write_text("global\n    no such keyword\n")
    file = trial.shop.folder / "broken.toml"
    text = (trial.shop.folder / "pratique.toml").read_text()
    file.write_text(f'{text}\n[services.shop.balancer.haproxy]\ntemplate = "{broken}"\n')
    trial.config = str(file)


def _machine(trial):
    """Return all processes of the service and of the release, which a pause of the machine stops."""
    parts = [trial.place.shop.part(name) for name in ("balancer", "collector")]
    instances = [*trial.place.instance_processes(), *trial.place.engine_processes()]
    below = [child for process in instances for child in process.children(recursive=True)]
    found = [trial.kernel(), *trial.place.balancer_processes(), *parts, *instances, *below]
    return list({process.pid: process for process in found if process}.values())


def pauses(place):
    """Yield pauses that are longer than the lease."""
    rolling = {"step": "roll out", "moment": rolling_out, "second": "promoted"}
    yield Fault("kernel paused", strike=lambda t: t.pause([t.kernel()]), **rolling)
    yield Fault("balancer paused", strike=lambda t: t.pause(t.place.balancer_processes()), **rolling)
    yield Fault("machine paused", strike=lambda t: t.pause(_machine(t)), **rolling)


def others(place):
    """Yield the other faults that a place supports."""
    rolling = {"step": "roll out", "moment": rolling_out}
    yield Fault("canary crash-loops", "start the canary", second="failed",
                spoil=("async def main():", "raise SystemExit('no configuration')\nasync def main():"))  # fmt: skip
    yield Fault("canary never becomes healthy", "start the canary", second="failed",
                spoil=('return 200, RELEASE["name"]', 'return 500, "not yet"'))  # fmt: skip
    yield Fault("the release is missing", "check", missing=True)
    yield Fault("canary killed", strike=_to_canary(signal.SIGKILL), second="rolled back", **rolling)
    yield Fault("canary hangs", strike=_to_canary(signal.SIGSTOP), second="rolled back", **rolling)
    yield Fault("balancer killed", strike=lambda t: t.place.kill_balancer(), **rolling)
    yield Fault(
        "collector killed", strike=_kill_collector, mend=lambda t: t.place.revive(t.collector), **rolling
    )  # fmt: skip
    if place.disk:
        yield Fault("the store's disk is full", strike=_fill_disk,
                    mend=lambda t: (t.place.disk / "ballast").unlink(), **rolling)  # fmt: skip
    yield Fault("store unreachable", strike=_hide_store, mend=_show_store, **rolling)
    if place.engine:
        yield Fault("the engine is restarted", strike=lambda t: t.place.engine.restart(), **rolling)
        yield Fault("the registry is down", "check", prepare=lambda t: t.place.registry.stop(),
                    mend=lambda t: t.place.registry.start())  # fmt: skip
    if place.shop.settings.service("shop").balancer.kind == "haproxy":
        yield Fault("HAProxy handed a broken configuration", "take into the pool", prepare=_broken_template)


def of_database(place):
    """Yield the faults of a store in InfluxDB while users meet the canary, each mended before the second run."""
    database = place.database
    strikes = {
        "killed": lambda _: database.server.kill(),
        "restarted": lambda _: database.restart(),
        "hangs": lambda _: database.server.pause(),
        "slow": lambda _: setattr(database.proxy, "delay_s", 0.3),
        "write token revoked": lambda _: database.revoke("write"),
        "read token revoked": lambda _: database.revoke("read"),
        "answers are cut": lambda _: setattr(database.proxy, "cut_after", 200),
        "acknowledgements are lost": lambda _: setattr(database.proxy, "lose_answers", True),
    }
    for words, strike in strikes.items():
        yield Fault(f"InfluxDB: {words}", "roll out", strike=strike, moment=rolling_out,
                    mend=lambda _: database.mend(), second=("promoted", "rolled back"))  # fmt: skip


def of_clock(place):
    """Yield steps of the wall clock of all parts while users meet the canary."""
    rolling = {"step": "roll out", "moment": rolling_out, "mend": lambda _: place.clock.set(0)}
    for words, offset_s in (("forward by an hour", 3600), ("back by an hour", -3600), ("back by 30 s", -30)):
        yield Fault(f"the clock is set {words}", strike=lambda _, by=offset_s: place.clock.set(by), **rolling)


def at_each_step(place):
    """Yield the death of a part at the beginning of each step, with the kernel held there until it is dead."""
    ended = ("promoted", "rolled back")
    for step in STEPS:
        at = {"step": f"{step}: begins", "hold": step, "second": ended}
        if place.engine:
            yield Fault("the engine is restarted", strike=lambda t: t.place.engine.restart(), **at)
            yield Fault("the registry is down", strike=lambda t: t.place.registry.stop(),
                        mend=lambda t: t.place.registry.start(), **at)  # fmt: skip
        yield Fault("balancer killed", strike=lambda t: t.place.kill_balancer(), **at)
        yield Fault("collector killed", strike=_kill_collector, mend=lambda t: t.place.revive(t.collector), **at)
        yield Fault("store unreachable", strike=_hide_store, mend=_show_store, **at)
        if place.disk:
            yield Fault("the store's disk is full", strike=_fill_disk,
                        mend=lambda t: (t.place.disk / "ballast").unlink(missing_ok=True), **at)  # fmt: skip


def faults(place):
    """Return all faults of a place; of one with a database or a clock those of the database or the clock."""
    if place.database is not None:
        return list(of_database(place))
    if place.clock is not None:
        return list(of_clock(place))
    return [*kernel_kills(), *others(place), *pauses(place), *at_each_step(place)]
