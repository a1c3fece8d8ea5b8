"""`python -m bench.interface [--lines N] [--runs N] [--tail SECONDS]`: the browser interface in headless Chromium."""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from playwright.async_api import Page
from tests.ui.house import House, chromium, house_of, visit
from tests.ui.yard import Gates

from bench import report
from bench.report import Figure
from taskyard import Context, Taskyard, TaskyardError
from taskyard.settings import load

_VIEWS = 5
_PATIENCE = 180
"""Seconds for one figure; it ends with an error rather than never."""
_OF_AN_ATTEMPT = 50_000
"""The lines that are kept of one; a page keeps those of two, so the tail is a third's."""
_TAIL_RATE = 500
"""Lines a second, or fewer where the tail is longer than an attempt may talk."""
_FLAT = 3.0
"""MiB by which a heap may grow: a tenth of the lines that are kept comes and goes."""
_LOOKS = 5
"""How often the heap is looked at in a tail: what it holds after a fifth of the time is compared with the end."""
_WATCH = """
window.seen = {lcp: 0, longest: 0, late: []};
new PerformanceObserver(list => { for (const e of list.getEntries()) seen.lcp = e.startTime })
  .observe({type: "largest-contentful-paint", buffered: true});
new PerformanceObserver(list => { seen.longest = Math.max(seen.longest, ...list.getEntries().map(e => e.duration)) })
  .observe({type: "longtask", buffered: true});
"""
_SCRIPTS = """performance.getEntriesByType("resource").filter(e => e.name.endsWith(".js"))
  .reduce((sum, e) => sum + e.encodedBodySize, 0)"""
_WHOLE = """count => new Promise(done => {
  const look = () => document.querySelector(".terminal-bar .number")?.textContent.startsWith(count)
    ? done(performance.now()) : requestAnimationFrame(look);
  look();
})"""
_SCROLL = """count => new Promise(done => {
  let last = performance.now(), gaps = [], blank = 0;
  const step = now => {
    gaps.push(now - last); last = now;
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.some(row => { const box = row.getBoundingClientRect(); return box.bottom > 0 && box.top < innerHeight }))
      blank += 1;
    const table = document.querySelector("table");
    const atEnd = scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    if (atEnd && Number(table.ariaRowCount) > count) return done({gaps: gaps.slice(1), blank});
    scrollBy(0, 700);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""
_PIXELS = """() => new MutationObserver(() => requestAnimationFrame(() => {
  const now = Date.now();
  for (const row of document.querySelectorAll(".terminal-row:not([data-told])")) {
    row.dataset.told = "";
    const at = /at (\\d+)/.exec(row.textContent);
    if (at) seen.late.push(now - Number(at[1]));
  }
})).observe(document.body, {childList: true, subtree: true})"""


def make_yard(folder: Path) -> Taskyard:
    """A yard whose tasks talk."""
    settings = load({}).with_values(TASKYARD_DATA_DIR=str(folder), TASKYARD_GRACE=0.1)
    yard = Taskyard(f"sqlite:///{folder}/taskyard.db", settings=settings)

    @yard.task(key="talk", title="A talkative one", retry=0)
    async def talk(ctx: Context, lines: int, rate: float = 0) -> None:
        began = time.monotonic()
        for number in range(lines):
            ctx.log.info("line %d at %d: \x1b[36msome words\x1b[0m that a run says", number, int(time.time() * 1000))
            ahead = began + number / rate - time.monotonic() if rate else 0
            if ahead > 0 or number % 500 == 0:
                await asyncio.sleep(max(0, ahead))

    @yard.task(key="talk-on", title="One that fails twice, and talks on", retry=2, retry_delay=lambda _: 0.1)
    async def talk_on(ctx: Context, rate: float) -> None:
        await talk(ctx, _OF_AN_ATTEMPT - 1, 0 if ctx.attempt < 3 else rate)
        if ctx.attempt < 3:
            raise TaskyardError("there is more to say")

    return yard


async def first_view(house: House) -> list[Figure]:
    """What the page of runs loads and when it is painted, each time with nothing cached."""
    sizes, fcp, lcp = [], [], []
    for _ in range(_VIEWS):
        async with visit(house) as page:
            await page.add_init_script(_WATCH)
            await page.goto("/admin/run")
            # What looks for a row is a script of the browser's driver: it comes when the page is there.
            await page.wait_for_load_state("networkidle")
            await page.locator("tbody tr").first.wait_for()
            sizes.append(await page.evaluate(_SCRIPTS))
            fcp.append(await page.evaluate('performance.getEntriesByName("first-contentful-paint")[0].startTime'))
            lcp.append(await page.evaluate("seen.lcp"))
    return [
        ("JavaScript of the first view", max(sizes) / 1000, "kB as sent; at most 130"),
        ("first contentful paint", statistics.median(fcp), f"ms, median of {_VIEWS}; at most 400"),
        ("largest contentful paint", statistics.median(lcp), f"ms, median of {_VIEWS}; at most 700"),
    ]


async def replay(house: House, lines: int) -> list[Figure]:
    """A run that is over, with many lines: from the click to the last line."""
    run = await house.finished("talk", {"lines": lines})
    async with visit(house) as page, asyncio.timeout(_PATIENCE):
        await page.add_init_script(_WATCH)
        await page.goto(f"/admin/run/{run}")
        took = await page.evaluate(_WHOLE, f"{lines:,}")
        longest, heap, nodes = await page.evaluate("seen.longest"), *(await memory(page))
    return [
        (f"{lines:,} lines replayed", took, "ms; at most 1,500"),
        ("its longest task", longest, "ms; at most 150"),
        ("its heap", heap, f"MiB; {nodes:,.0f} DOM nodes"),
    ]


async def scroll(house: House, count: int) -> list[Figure]:
    """A long list, scrolled from its beginning to its end, which is fetched meanwhile."""
    for begin in range(0, count, 1000):
        inputs = [{"lines": 1}] * min(1000, count - begin)
        await house.yard.start_many("talk", inputs, delay=86_400, tags=["many"])
    async with visit(house) as page, asyncio.timeout(_PATIENCE):
        await page.add_init_script(_WATCH)
        await page.goto("/admin/run?q=tag:many")
        await page.locator("[data-row]").first.wait_for()
        seen: dict[str, Any] = await page.evaluate(_SCROLL, count)
        longest = await page.evaluate("seen.longest")
    gaps = sorted(seen["gaps"])
    return [
        (f"{count:,} runs scrolled, a frame", statistics.median(gaps), f"ms, median of {len(gaps):,}"),
        ("its frames at the 99th percentile", gaps[int(len(gaps) * 0.99)], "ms"),
        ("its longest task", longest, "ms"),
        ("frames without a row", float(seen["blank"]), "of them"),
    ]


async def pixels(house: House) -> list[Figure]:
    """From a line's being written by the task to its being painted."""
    async with visit(house) as page:
        await page.add_init_script(_WATCH)
        run = await house.start("talk", {"lines": 200, "rate": 20})
        await page.goto(f"/admin/run/{run}")
        await page.locator(".terminal-row").first.wait_for()
        await page.evaluate(_PIXELS)
        await page.locator(".link-complete").wait_for(timeout=60_000)
        late = sorted(await page.evaluate("seen.late.slice(20)"))
    return [
        ("event to pixel", statistics.median(late), f"ms, median of {len(late)}; at most 250"),
        ("event to pixel, 95th percentile", late[int(len(late) * 0.95)], "ms"),
    ]


async def tail(house: House, seconds: int) -> list[Figure]:
    """The heap while a run talks on and on, and whether it grows."""
    heaps = []
    rate = min(_TAIL_RATE, 0.8 * _OF_AN_ATTEMPT / seconds)
    async with visit(house) as page, asyncio.timeout(seconds + _PATIENCE):
        run = await house.start("talk-on", {"rate": rate})
        await page.goto(f"/admin/run/{run}")
        await page.get_by_text("earlier lines are not shown here").wait_for(timeout=_PATIENCE * 1000)
        for _ in range(_LOOKS):
            await page.wait_for_timeout(seconds * 1000 / _LOOKS)
            heaps.append((await memory(page))[0])
        await house.yard.engine.store.cancel(int(run), "bench", None, None)
    told = ", ".join(f"{heap:.1f}" for heap in heaps)
    growth = heaps[-1] - heaps[0]
    verdict = "flat" if growth <= _FLAT else "it grows"
    return [
        (f"heap after {seconds} s at {rate:.0f} lines a second", heaps[-1], f"MiB; on its way {told}"),
        (f"its growth since {seconds // _LOOKS} s", growth, f"MiB, at most {_FLAT:.0f}: {verdict}"),
    ]


async def memory(page: Page) -> tuple[float, float]:
    """The heap in MiB after a collection, and how many nodes there are."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    await session.send("Performance.enable")
    told = {each["name"]: each["value"] for each in (await session.send("Performance.getMetrics"))["metrics"]}
    return told["JSHeapUsedSize"] / 2**20, told["Nodes"]


async def measure(folder: Path, options: argparse.Namespace) -> list[Figure]:
    """All figures, one after the other."""
    yard = make_yard(folder)
    async with yard.worker(concurrency=4), chromium() as browser, house_of(yard, Gates(), browser) as house:
        await house.finished("talk", {"lines": 10})
        found: list[Figure] = []
        for part in (
            partial(first_view, house), partial(replay, house, options.lines), partial(pixels, house),
            partial(tail, house, options.tail), partial(scroll, house, options.runs),
        ):  # fmt: skip
            for title, value, unit in await part():
                print(f"  {title}: {value:,.1f} {unit}", flush=True)
                found.append((title, value, unit))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.interface")
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--tail", type=int, default=60)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    before = report.load()
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
        found = asyncio.run(measure(Path(folder), options))
    command = f"python -m bench.interface --lines {options.lines} --runs {options.runs} --tail {options.tail}"
    report.write("interface", "The browser interface in headless Chromium", command, before, found)


if __name__ == "__main__":
    main()
