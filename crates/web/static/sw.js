// Turns what the page's worker sends into a download: bytes in, bytes out, nothing else.
// The page registers {id, name, size} with a port, then opens dl/<id>/ in a hidden frame.
const downloads = new Map();
const folder = new URL("dl/", self.registration.scope).pathname;

// Only the first version takes over at once: an update must not end a running download.
self.addEventListener("install", () => self.registration.active || self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("message", (event) => {
  if (event.data.type === "alive") {
    event.waitUntil(new Promise((done) => setTimeout(done, 15_000)));
  } else if (event.data.type === "download") {
    const [port] = event.ports;
    downloads.set(event.data.id, { ...event.data, port });
    port.postMessage("registered");
  }
});

self.addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (!pathname.startsWith(folder)) return;
  const [id] = pathname.slice(folder.length).split("/");
  const download = downloads.get(id);
  downloads.delete(id);
  event.respondWith(download ? respond(download) : new Response("This download is over.", { status: 410 }));
});

function respond({ port, name, size }) {
  let wake = () => {};
  const body = new ReadableStream(
    {
      start(controller) {
        port.onmessage = ({ data }) => {
          if (data === null) controller.close();
          else if (typeof data === "string") controller.error(new Error(data));
          else controller.enqueue(data);
          wake();
        };
      },
      pull() {
        port.postMessage("pull");
        return new Promise((resolve) => (wake = resolve));
      },
      cancel() {
        port.postMessage("cancel");
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 1 << 20 }),
  );
  const headers = {
    "content-type": "application/octet-stream",
    "content-disposition": `attachment; filename*=UTF-8''${encode(name)}`,
    "x-content-type-options": "nosniff",
    // The page embeds nothing that does not say so itself; Firefox would cancel the download.
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
  };
  if (size !== null) headers["content-length"] = String(size);
  return new Response(body, { headers });
}

// RFC 8187: what encodeURIComponent leaves and the header may not have.
function encode(name) {
  return encodeURIComponent(name).replace(/['()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
}
