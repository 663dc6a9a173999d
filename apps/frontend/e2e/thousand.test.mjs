// A canvas of a thousand nodes stays quick under the hand.
import assert from "node:assert/strict";
import { availableParallelism, loadavg } from "node:os";
import { after, before, describe, it } from "node:test";
import { browser, engine, page, shot } from "./world.mjs";

const COLUMNS = 40;
const ROWS = 25;
const LEAST = 30;

let chromium;
let server;
let on;

before(async () => {
  server = await engine();
  chromium = await browser();
  const nodes = [];
  const connections = [];
  for (let row = 0; row < ROWS; row++)
    for (let column = 0; column < COLUMNS; column++) {
      const id = `n${row}_${column}`;
      const isFirst = column === 0;
      nodes.push({
        id,
        name: `Step ${row}.${column}`,
        type: isFirst ? (row === 0 ? "trigger.manual" : "flow.no_op") : "flow.no_op",
        position: { x: column * 300, y: row * 120 },
      });
      if (column > 0) connections.push({ fromNode: `n${row}_${column - 1}`, toNode: id });
      else if (row > 0) connections.push({ fromNode: "n0_0", toNode: id });
    }
  const { workflow } = await server.api("POST", "/v1/workflows", {
    name: "A thousand",
    workflow: { nodes, connections },
  });
  assert.equal(workflow.nodes.length, COLUMNS * ROWS);
  const context = await chromium.newContext({ viewport: { width: 1280, height: 800 } });
  on = await page(context, `${server.url}/workflows/${workflow.id}`);
  await on.locator(".node").first().waitFor();
  await on.waitForTimeout(1000);
  await shot(context, "thousand");
});

after(async () => {
  await chromium?.close();
  await server?.close();
});

/** Frames a second while something is done, and the milliseconds that the page itself worked for each. */
async function frames(doing) {
  const tools = await on.context().newCDPSession(on);
  await tools.send("Performance.enable", { timeDomain: "threadTicks" });
  const worked = async () =>
    (await tools.send("Performance.getMetrics")).metrics.find((each) => each.name === "TaskDuration").value *
    1000;
  const before = await worked();
  await on.evaluate(() => {
    window.frames_ = { count: 0, from: performance.now() };
    const tick = () => {
      window.frames_.count++;
      window.frames_.handle = requestAnimationFrame(tick);
    };
    window.frames_.handle = requestAnimationFrame(tick);
  });
  await doing();
  const { count, seconds } = await on.evaluate(() => {
    cancelAnimationFrame(window.frames_.handle);
    return { count: window.frames_.count, seconds: (performance.now() - window.frames_.from) / 1000 };
  });
  const spent = (await worked()) - before;
  await tools.detach();
  return { rate: count / seconds, work: spent / count };
}

/** On a machine that is busy with other things the clock says nothing of us: then the page's own work has to fit. */
function check({ rate, work }) {
  const isBusy = loadavg()[0] > availableParallelism();
  const words = `${rate.toFixed(0)} frames/s, ${work.toFixed(0)} ms of work for each`;
  assert.ok(rate >= LEAST || (isBusy && work <= 1000 / LEAST), words);
  return words;
}

async function sweep(from, to, steps) {
  await on.mouse.move(from.x, from.y);
  await on.mouse.down();
  for (let step = 1; step <= steps; step++)
    await on.mouse.move(from.x + ((to.x - from.x) * step) / steps, from.y + ((to.y - from.y) * step) / steps);
  await on.mouse.up();
}

/** The best of three: what the machine does beside it is not ours. */
async function best(doing) {
  let found = await frames(doing);
  for (let turn = 0; turn < 2 && found.rate < LEAST * 1.2; turn++) {
    const next = await frames(doing);
    if (next.rate > found.rate) found = next;
  }
  return found;
}

describe("a thousand nodes", () => {
  it("pan at 30 frames a second, seen as a whole and from near", async () => {
    await on.keyboard.press("f");
    await on.waitForTimeout(600);
    const whole = await best(() => sweep({ x: 700, y: 640 }, { x: 500, y: 660 }, 40));
    await on.keyboard.press("n");
    for (let turn = 0; turn < 12; turn++) await on.keyboard.press("+");
    await on.keyboard.press("Escape");
    await on.waitForTimeout(400);
    const near = await best(() => sweep({ x: 700, y: 660 }, { x: 300, y: 500 }, 40));
    console.log(`panned as a whole: ${check(whole)}; from near: ${check(near)}`);
  });

  it("one of them is dragged at 30 frames a second", async () => {
    await on.keyboard.press("f");
    await on.waitForTimeout(600);
    const boxes = await on
      .locator(".node")
      .evaluateAll((all) => all.map((each) => each.getBoundingClientRect().toJSON()));
    const box = boxes.find((each) => each.x > 400 && each.x < 800 && each.y > 200 && each.y < 500);
    const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const dragged = await best(() => sweep(at, { x: at.x + 120, y: at.y + 60 }, 40));
    console.log(`dragged: ${check(dragged)}`);
    assert.deepEqual(on.mistakes, []);
  });
});
