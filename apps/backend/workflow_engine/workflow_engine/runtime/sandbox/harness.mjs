// Runs one program that arrives on stdin, in a Deno that was given no permission at all.
// The body of a function can hold no static import, and a dynamic one asks for permissions.
const { code, items, inputs, each, mark } = JSON.parse(await new Response(Deno.stdin.readable).text());
const write = Deno.stdout.writeSync.bind(Deno.stdout);
const stringify = JSON.stringify;
const encoder = new TextEncoder();
// Not a wall, only a clearer failure: workers end at the memory limit anyway.
delete globalThis.Worker;

function say(outcome) {
  let bytes = encoder.encode(`\n${mark}${outcome}\n`);
  while (bytes.length) bytes = bytes.subarray(write(bytes));
}

function problem(error) {
  const stack = String(error?.stack ?? "");
  // The constructor puts two lines before the program.
  const place = /<anonymous>:(\d+):\d+\)?/.exec(stack.split("\n").find((line) => line.includes("eval at")) ?? "");
  const message = error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
  return stringify({ error: { message, line: place ? Number(place[1]) - 2 : 0 } });
}

let value;
let failed = false;
try {
  const AsyncFunction = (async () => {}).constructor;
  const program = new AsyncFunction("items", "item", "inputs", code);
  if (each) {
    value = [];
    for (const item of items) value.push((await program(items, item, inputs)) ?? null);
  } else {
    value = (await program(items, items[0], inputs)) ?? null;
  }
} catch (error) {
  failed = true;
  say(problem(error));
}
if (!failed) {
  let text;
  try {
    text = stringify({ value });
  } catch (error) {
    text = stringify({ unserialisable: String(error?.message ?? error).split("\n")[0] });
  }
  say(text);
}
