// Starts the page, or says in plain text why it cannot.
const simd = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

try {
  if (typeof WebAssembly !== "object") throw new Error("WebAssembly is switched off or missing");
  if (!WebAssembly.validate(simd)) throw new Error("WebAssembly without SIMD: the browser is too old");
  const { default: init, start_page } = await import("./web.js");
  await init();
  start_page();
} catch (error) {
  const main = document.createElement("main");
  main.dataset.state = "unsupported";
  const heading = document.createElement("h1");
  heading.textContent = "Beeline can’t start in this browser";
  const reason = document.createElement("p");
  reason.id = "error";
  reason.textContent = String(error.message ?? error);
  const hint = document.createElement("p");
  hint.id = "hint";
  hint.textContent = "A current Chrome, Edge, Firefox or Safari can open it.";
  main.append(heading, reason, hint);
  document.getElementById("boot")?.replaceWith(main);
  document.body.dataset.ready = "1";
  throw error;
}
