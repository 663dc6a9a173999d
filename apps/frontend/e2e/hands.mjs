// What a person does in the editor, said once.

/** The id of the workflow or execution whose page this is. */
export const idOf = (on) => new URL(on.url()).pathname.split("/")[2];

export const saved = (on) => on.getByRole("status").filter({ hasText: "Saved" }).waitFor();

export const node = (on, name) => on.locator(".node", { has: on.getByText(name, { exact: true }) });

/** A new workflow with the trigger that each begins with, open in the editor. */
export async function create(on, name) {
  await on.getByRole("button", { name: "New workflow" }).first().click();
  await on.getByLabel("Name").fill(name);
  await on.getByRole("button", { name: "Create" }).click();
  await on.locator(".node").first().waitFor();
}

/** Chooses a node type in the palette that is open. */
export async function choose(on, name) {
  await on.getByPlaceholder("Search nodes…").fill(name);
  await on
    .getByRole("option", { name: new RegExp(`^${name}`) })
    .first()
    .click();
}

/** Writes into a field of the inspector, whatever kind of editor it has. */
export async function write(on, label, text) {
  await on.locator(".inspector").getByLabel(label, { exact: true }).click();
  await on.keyboard.press("Control+a");
  await on.keyboard.insertText(text);
}

/** Goes on by Tab until a field has the focus. */
export async function reach(on, field) {
  for (let turn = 0; turn < 40; turn++) {
    if (await field.evaluate((each) => each.contains(document.activeElement))) return;
    await on.keyboard.press("Tab");
  }
  throw new Error("Tab does not lead there");
}

/** Out of the suggestions, out of the field, out of the node. */
export async function leave(on) {
  const inspector = on.locator(".inspector");
  for (let turn = 0; turn < 4 && (await inspector.count()) > 0; turn++) {
    await on.keyboard.press("Escape");
    await on.waitForTimeout(60);
  }
  await inspector.waitFor({ state: "detached" });
}

/** Sees the whole drawing. */
export async function showAll(on) {
  await on.getByRole("button", { name: "Show all" }).click();
  await on.waitForTimeout(400);
}

/** Drags with the mouse, to a place or to what stands there. */
export async function drag(on, from, to) {
  const a = await from.boundingBox();
  const b =
    "x" in to
      ? to
      : await to.boundingBox().then((box) => ({ x: box.x + box.width / 2, y: box.y + box.height / 2 }));
  await on.mouse.move(a.x + a.width / 2, a.y + a.height / 2);
  await on.mouse.down();
  await on.mouse.move((a.x + b.x) / 2, (a.y + b.y) / 2, { steps: 6 });
  await on.mouse.move(b.x, b.y, { steps: 6 });
  await on.mouse.up();
}

/** What the page, with the session that it has, would ask of the API. */
export async function asked(on, verb, path, body) {
  return on.evaluate(
    async ([verb, path, body]) => {
      const me = await (await fetch("/v1/auth/me")).json();
      const answer = await fetch(path, {
        method: verb,
        headers: { "content-type": "application/json", "x-csrf-token": me.csrfToken },
        body: body === null ? undefined : JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(await answer.text());
      return answer.json();
    },
    [verb, path, body ?? null],
  );
}
