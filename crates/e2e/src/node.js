// Evaluates what it is asked, one JSON line each, in a place that has a browser's names for WebRTC.
Object.assign(globalThis, require("@roamhq/wrtc"), { window: globalThis });
const AsyncFunction = (async () => {}).constructor;
const say = answer => process.stdout.write(JSON.stringify(answer) + "\n");
require("node:readline").createInterface({ input: process.stdin }).on("line", line => {
  const { expression, args } = JSON.parse(line);
  new AsyncFunction("args", `return (\n${expression}\n)`)(args)
    .then(ok => say({ ok: ok ?? null }), error => say({ error: String(error) }));
}).on("close", () => process.exit());
