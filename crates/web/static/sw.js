// Four things: a download that the page's worker feeds, a page that says that there is no network, files shared from
// another app, and nothing else: the page itself always comes from the server, so no version can be mixed or kept.
const downloads = new Map();
const at = (path) => new URL(path, self.registration.scope).pathname;
// What the page without network is made of.
const OFFLINE = "beeline-offline-1";
const PIECES = ["offline.html", "style.css", "lang.js", "icon.svg", "en.json", "ko.json"];
// What was shared, until the page takes it.
const SHARED = "beeline-shared";

// Only the first version takes over at once: an update must not end a running download.
self.addEventListener("install", (event) => {
  if (!self.registration.active) self.skipWaiting();
  event.waitUntil(caches.open(OFFLINE).then((cache) => cache.addAll(PIECES)));
});
self.addEventListener("activate", (event) => {
  const old = async () => {
    for (const name of await caches.keys()) if (name !== OFFLINE && name !== SHARED) await caches.delete(name);
  };
  event.waitUntil(Promise.all([old(), self.clients.claim()]));
});

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
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== location.origin) return;
  if (pathname.startsWith(at("dl/"))) {
    const [id] = pathname.slice(at("dl/").length).split("/");
    const download = downloads.get(id);
    downloads.delete(id);
    event.respondWith(download ? respond(download) : new Response("This download is over.", { status: 410 }));
  } else if (pathname === at("share") && request.method === "POST") {
    event.respondWith(keep(request));
  } else if (request.method === "GET" && request.mode === "navigate") {
    event.respondWith(fetch(request).catch(() => caches.match(at("offline.html"))));
  } else if (request.method === "GET" && PIECES.some((piece) => pathname === at(piece))) {
    event.respondWith(fetch(request).catch(() => caches.match(pathname)));
  }
});

// What an app shared waits in the cache, each file as an answer of its own, for boot.js to take.
async function keep(request) {
  const shared = await request.formData();
  await caches.delete(SHARED);
  const cache = await caches.open(SHARED);
  const files = shared.getAll("files").filter((file) => typeof file !== "string" && file.size > 0);
  for (const [number, file] of files.entries()) {
    const headers = { "x-name": encodeURIComponent(file.name), "content-type": file.type };
    await cache.put(at(`shared/${number}`), new Response(file, { headers }));
  }
  const text = ["title", "text", "url"].map((name) => shared.get(name)).filter(Boolean).join("\n");
  if (text) await cache.put(at("shared/text"), new Response(text));
  return Response.redirect("./?shared", 303);
}

function respond({ port, name, size }) {
  let wake = () => {};
  const body = new ReadableStream(
    {
      start(controller) {
        port.onmessage = ({ data }) => {
          if (data === null) controller.close();
          else if (typeof data === "string") controller.error(new Error(data));
          else {
            for (const piece of data) controller.enqueue(piece);
            hurry(data.reduce((sum, piece) => sum + piece.byteLength, 0));
          }
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

// Chromium's collector waits for tens of MiB of buffers. It sees this one too, of which no page is ever touched: so it
// comes by more often, and what was passed on does not lie about for as long.
function hurry(bytes) {
  return new ArrayBuffer(4 * bytes);
}

// RFC 8187: what encodeURIComponent leaves and the header may not have.
function encode(name) {
  return encodeURIComponent(name).replace(/['()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
}
