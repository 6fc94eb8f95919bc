// The worker's first message is the compiled wasm; from then on start_worker() listens.
import init, { start_worker } from "./web.js";

self.onmessage = async ({ data }) => {
  self.onmessage = null;
  await init({ module_or_path: data });
  start_worker();
};
