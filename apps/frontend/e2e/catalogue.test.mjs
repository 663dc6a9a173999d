// Whatever the engine can do can be said in the editor: each type of node has a form, and each kind of credential.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { browser, engine, page, shot } from "./world.mjs";

let chromium;
let server;
let context;
let on;

before(async () => {
  server = await engine();
  chromium = await browser();
  context = await chromium.newContext({ viewport: { width: 1280, height: 800 } });
});

after(async () => {
  await chromium?.close();
  await server?.close();
});

afterEach((test) => shot(context, test.name));

/** A label without its star, whatever its case. */
const plain = (label) => label.replace(" *", "").toLowerCase();

/** What a schema has and a form does not show. */
async function lacking(form, what, schema) {
  const more = form.getByRole("button", { name: "more options" });
  while (await more.count()) await more.first().click();
  const shown = (await form.locator("label").allTextContents()).map(plain);
  return Object.entries(schema.properties ?? {})
    .map(([name, { title }]) => plain(title ?? name.replaceAll("_", " ")))
    .filter((label) => !shown.includes(label))
    .map((label) => `${what}: ${label}`);
}

describe("the catalogue", () => {
  let nodeTypes;

  it("shows of each type of node all that it takes", async () => {
    ({ nodeTypes } = await server.api("GET", "/v1/node-types"));
    const { workflow } = await server.api("POST", "/v1/workflows", {
      name: "One of each",
      workflow: {
        nodes: nodeTypes.map(({ type, starter }, index) => ({
          id: `n${index}`,
          type,
          name: type,
          parameters: starter,
          position: { x: (index % 12) * 300, y: Math.floor(index / 12) * 260 },
        })),
      },
    });
    on = await page(context, `${server.url}/workflows/${workflow.id}`);
    await on.locator(".node").first().waitFor();
    const missing = [];
    for (const { type, parameterSchema } of nodeTypes) {
      await on.keyboard.press("n");
      const inspector = on.getByRole("complementary", { name: `Node ${type}`, exact: true });
      await inspector.waitFor();
      missing.push(...(await lacking(inspector, type, parameterSchema)));
    }
    assert.deepEqual(missing, []);
    assert.deepEqual(on.mistakes, []);
  });

  it("has every type of node in the palette", async () => {
    await on.keyboard.press("Escape");
    await on.keyboard.press("Escape");
    await on.getByRole("button", { name: "Add a node" }).first().click();
    await on.getByPlaceholder("Search nodes…").waitFor();
    const offered = (await on.getByRole("option").allTextContents()).join("\n");
    assert.deepEqual(
      nodeTypes.filter(({ name, summary }) => !offered.includes(name + summary)).map(({ type }) => type),
      [],
    );
    await on.keyboard.press("Escape");
  });

  it("takes every kind of credential that a node asks for", async () => {
    const { integrations } = await server.api("GET", "/v1/integrations");
    const kinds = new Map(
      integrations.flatMap((each) => each.credentialTypes ?? []).map((each) => [each.type, each]),
    );
    for (const slot of nodeTypes.flatMap((each) => each.credentials ?? []))
      for (const type of slot.types) assert.ok(kinds.has(type), `${slot.name} takes ${type}`);
    await on.goto(`${server.url}/credentials`);
    await on.getByRole("button", { name: "New credential" }).first().click();
    const dialog = on.getByRole("dialog");
    const missing = [];
    for (const { type, schema } of kinds.values()) {
      await dialog.getByLabel("Kind", { exact: true }).selectOption(type);
      missing.push(...(await lacking(dialog, type, schema)));
    }
    assert.deepEqual(missing, []);
    assert.deepEqual(on.mistakes, []);
  });
});
