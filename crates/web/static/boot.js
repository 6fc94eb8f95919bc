// Starts the page, or says in plain text why it cannot.
const simd = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);
const { tag, texts } = window.beeline;

try {
  if (typeof WebAssembly !== "object") throw new Error("WebAssembly is switched off or missing");
  if (!WebAssembly.validate(simd)) throw new Error("WebAssembly without SIMD: the browser is too old");
  const [{ default: init, start_page, take }, said] = await Promise.all([import("./web.js"), texts]);
  await init();
  start_page(said, tag);
  // Installed, the page is given files by the system: shared from another app, or opened with this one.
  if (location.search === "?shared") await takeShared(take);
  globalThis.launchQueue?.setConsumer(async ({ files }) => {
    if (files.length > 0) take(await Promise.all(files.map((handle) => handle.getFile())), "");
  });
} catch (error) {
  const said = await texts.catch(() => ({}));
  const main = document.createElement("main");
  main.dataset.state = "unsupported";
  const heading = document.createElement("h1");
  heading.textContent = said.boot_failed ?? "Beeline can’t start in this browser";
  const reason = document.createElement("p");
  reason.id = "error";
  reason.textContent = String(error.message ?? error);
  const hint = document.createElement("p");
  hint.id = "hint";
  hint.textContent = said.boot_hint ?? "A current Chrome, Edge, Firefox or Safari can open it.";
  main.append(heading, reason, hint);
  document.getElementById("boot")?.replaceWith(main);
  document.body.dataset.ready = "1";
  throw error;
}

// What sw.js kept.
async function takeShared(take) {
  history.replaceState(null, "", "./");
  const shared = await caches.open("beeline-shared");
  const files = [];
  let text = "";
  for (const request of await shared.keys()) {
    const answer = await shared.match(request);
    const name = answer.headers.get("x-name");
    if (name === null) text = await answer.text();
    else files.push(new File([await answer.blob()], decodeURIComponent(name)));
  }
  await caches.delete("beeline-shared");
  take(files, text);
}
