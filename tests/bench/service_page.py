"""The page docs/benchmarks/service.md, from what `bench.service` has measured."""

from __future__ import annotations

import datetime
import platform
from dataclasses import dataclass

import psutil

from bench import crowd, growth, streams
from bench.machine import processor

THINK_S = (2.0, 0.0)
"""How long clients think after each answer, on average: as people and watching pages do, and not at all."""
_WANTED_MS = 100.0
_WANTED_GROWTH = 1.5
_WANTED_READY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All of it. `made`: slices, rows and seconds of the largest catalog; `grown`: seconds by size and by what is done."""

    made: tuple[int, int, float]
    crowds: dict[float, crowd.Figures]
    grown: dict[int, dict[str, float]]
    followed: streams.Figures
    stream_s: float
    starts: dict[str, float]
    imports: dict[str, float]


def page(found: Measured) -> str:
    """The page as Markdown."""
    slices, rows, made_s = found.made
    lines = [
        "# The service under load",
        "",
        f"`make bench-service` on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: {processor()}, {psutil.cpu_count()} cores,",
        f"{psutil.virtual_memory().total >> 30} GiB, Python {platform.python_version()}. The service, a PostgreSQL",
        "without settings of ours and the clients share these cores.",
        f"Load average at the end: {psutil.getloadavg()[1]:.1f}.",
        "",
        f"The catalog: {slices:,} slices in ten data sets, the largest with 40 % of them; a run for every hundred",
        "slices, with its steps, events, pseudo labels and gate decisions; reviews.",
        f"{rows:,} rows, made by SQL in {made_s:.0f} s with every",
        "constraint and trigger at work. There are no pixels but those of the slices that are opened as pictures.",
        "",
        *_of_crowds(found),
        *_of_growth(found.grown),
        *_of_streams(found.followed, found.stream_s),
        *_of_start(found),
        "What was tried, and what came of it: [service-tried.md](service-tried.md).",
        "",
    ]
    return "\n".join(lines)


def _of_crowds(found: Measured) -> list[str]:
    lines = [
        f"## {crowd.CLIENTS} clients",
        "",
        "Each client has an account, a session and a connection, and asks for everything in turn, in an order of its own,",
        "spread over the whole catalog. From the request's first byte to the answer's last, in milliseconds.",
        "",
    ]
    for think_s, seen in found.crowds.items():
        each = seen.requests
        lines += [
            f"### {f'Each thinks {think_s:g} s after an answer, on average' if think_s else 'Nobody thinks'}",
            "",
            f"{each:,} requests in {seen.wall_s:.0f} s, {each / seen.wall_s:.0f} a second. CPU by the request:",
            f"service {_ms(seen.service_cpu_s / each)}, PostgreSQL {_ms(seen.database_cpu_s / each)},",
            f"clients {_ms(seen.clients_cpu_s / each)}.",
            f"All together: p50 {seen.percentile_ms(50):.0f}, p95 {seen.percentile_ms(95):.0f},",
            f"p99 {seen.percentile_ms(99):.0f} ms (wanted: p99 below {_WANTED_MS:.0f} ms).",
            "",
            "| asked for | requests | p50 | p95 | p99 |",
            "| --- | --- | --- | --- | --- |",
            *(
                f"| {name} | {len(times)} | "
                + " | ".join(f"{seen.percentile_ms(percent, name):.0f}" for percent in (50, 95, 99))
                + " |"
                for name, times in sorted(seen.times_s.items())
            ),
            "",
        ]
    return [
        *lines,
        "Two cores answer as many requests a second as the CPU time above allows. Fifty clients that never think are a queue",
        "of fifty: each waits for the forty-nine before it, however quick an answer is. The wish is for people and pages that",
        "look, think and look again; the second table says how much is left.",
        "",
    ]


def _of_growth(grown: dict[int, dict[str, float]]) -> list[str]:
    sizes = sorted(grown)
    least, most = sizes[0], sizes[-1]

    def row(name: str, unit: float, digits: int, *, flat: bool) -> str:
        figures = " | ".join(f"{grown[size][name] * unit:.{digits}f}" for size in sizes)
        ratio = grown[most][name] / grown[least][name]
        return f"| {name} | {figures} | {ratio:.2f}{'' if flat else ' by the slice'} |"

    head = " | ".join(f"{size:,}" for size in sizes)
    rule = "| --- " * (len(sizes) + 2) + "|"
    return [
        "## The same with more slices",
        "",
        f"Medians in milliseconds, in one process, sizes in turn, with {growth.QUEUED} runs queued at each (wanted: at most",
        f"{_WANTED_GROWTH} times as much).",
        "",
        f"| what | {head} | last over first |",
        rule,
        *(row(name, 1e3, 2, flat=True) for name in growth.FLAT),
        "",
        "Who starts a run names every slice that it will use, and who samples puts every one of them into a group: that is in",
        "proportion to the data set (here the largest, 40 % of the slices). Microseconds by the slice, one turn each:",
        "",
        f"| what | {head} | last over first |",
        rule,
        *(row(name, 1e6, 1, flat=False) for name in growth.PER_SLICE),
        "",
    ]


def _of_streams(followed: streams.Figures, seconds: float) -> list[str]:
    samples = followed.samples
    places = {
        "at the start": samples[0],
        "in the middle": samples[len(samples) // 2],
        "at the end": samples[-1],
    }
    told = followed.told + followed.missing - followed.twice
    return [
        f"## {streams.STREAMS} event streams for {seconds / 60:g} minutes",
        "",
        f"{streams.RUNS} runs make {streams.EVENTS_PER_S:g} events a second, each of which",
        f"{streams.STREAMS // streams.RUNS} streams follow. A tenth of the streams are cut every",
        f"{streams.CUT_EVERY_S:g} s and go on with `Last-Event-ID`: {followed.reopened} times.",
        "",
        f"**{followed.made:,} events were made; of {told:,} that had to be told, {followed.missing} were missed,",
        f"{followed.twice} told twice, and {followed.out_of_order} streams out of order.**",
        f"From its commit to its arrival: p50 {followed.delay_ms(50):.0f}, p99 {followed.delay_ms(99):.0f} ms",
        f"(the service looks every half second). The service used {followed.cpu_share:.0%} of a core.",
        "",
        "| | after, s | memory of the service, MiB | open files |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {after:.0f} | {memory:.0f} | {files} |"
            for name, (after, memory, files) in places.items()
        ),
        "",
    ]


def _of_start(found: Measured) -> list[str]:
    return [
        "## From the command to /readyz",
        "",
        "| what starts | s | wanted |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {spent:.1f} | at most {_WANTED_READY_S:.0f} |"
            for name, spent in found.starts.items()
        ),
        "",
        "Medians, on the largest catalog, whose schema is up to date. Ray starts with the first run and not with the service.",
        "Most of it is imports; by package, in seconds:",
        ", ".join(f"{name} {spent:.2f}" for name, spent in found.imports.items()) + ".",
        "",
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
