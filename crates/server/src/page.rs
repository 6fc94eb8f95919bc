//! The embedded page: files, encodings, headers.
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    /// BLAKE3 in hexadecimal.
    pub(crate) etag: &'static str,
    pub(crate) plain: &'static [u8],
    pub(crate) brotli: Option<&'static [u8]>,
    pub(crate) gzip: Option<&'static [u8]>,
}

// FILES and BUILD, made by the build script.
include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Scripts, styles and connections of our own only. `worker-src blob:` is for the hashing worker, `frame-src` for
/// the frame that starts a download. `'self'` in `connect-src` is also `ws:` and `wss:` of the same host (CSP 3
/// §6.7.2.8; Chromium 71, Firefox before that, Safari 15.4).
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-src 'self'; frame-ancestors 'none'";

/// Headers of every answer. Codes can stand in addresses, so no `Referer` tells of them.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(self), microphone=(self), geolocation=(), payment=(), usb=(), serial=(), bluetooth=()",
    ),
];

/// Sets what every answer carries. `https`: the world reaches us by https only, and browsers may remember that.
pub(crate) fn set_security_headers(headers: &mut HeaderMap, https: bool) {
    for (name, value) in HEADERS {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    if https {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
}

/// Answers a request for a file of `files`. `path` starts with a slash.
pub(crate) fn respond(files: &'static [File], method: &Method, path: &str, headers: &HeaderMap) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let name = match path {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let Some(file) = files.iter().find(|f| f.name == name) else {
        return (StatusCode::NOT_FOUND, "no such page\n").into_response();
    };
    let (encoding, bytes) = encode(file, headers);
    let etag = match encoding {
        Some(encoding) => format!("\"{}-{encoding}\"", file.etag), // bytes differ, so must the name (RFC 9110 §8.8.3)
        None => format!("\"{}\"", file.etag),
    };

    let mut response = match matches_etag(headers, &etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Response::new(Body::from(Bytes::from_static(bytes))),
    };
    let unchanged = response.status() == StatusCode::NOT_MODIFIED;
    let out = response.headers_mut();
    out.insert(header::ETAG, HeaderValue::from_str(&etag).expect("hexadecimal and a word"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache")); // ask each time; no name has a hash in it
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if name == "sw.js" {
        out.insert("service-worker-allowed", HeaderValue::from_static("/"));
    }
    if !unchanged {
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
        if let Some(encoding) = encoding {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
    }
    response
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The smallest form that the client takes.
fn encode(file: &File, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    match (file.brotli, file.gzip) {
        (Some(bytes), _) if accepts(headers, "br") => (Some("br"), bytes),
        (_, Some(bytes)) if accepts(headers, "gzip") => (Some("gzip"), bytes),
        _ => (None, file.plain),
    }
}

/// Whether `Accept-Encoding` (RFC 9110 §12.5.3) names `encoding`, and not with `q=0`.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = parts
            .any(|p| p.strip_prefix("q=").or(p.strip_prefix("Q=")).is_some_and(|q| q.parse() == Ok(0.0)));
        named && !refused
    })
}

/// Whether `If-None-Match` names what we would send (weak comparison, RFC 9110 §13.1.2).
fn matches_etag(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    values
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAGE: &[File] = &[
        File { name: "index.html", etag: "aa", plain: b"plain", brotli: Some(b"br"), gzip: Some(b"gz") },
        File { name: "sw.js", etag: "bb", plain: b"worker", brotli: None, gzip: None },
    ];

    fn get(path: &str, of: &[(&'static str, &str)]) -> Response {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, value.parse().unwrap());
        }
        respond(PAGE, &Method::GET, path, &headers)
    }

    fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
        response.headers().get(name).map(|v| v.to_str().unwrap())
    }

    #[test]
    fn the_best_encoding_that_the_client_takes_is_sent() {
        let encoding = |accept: &str| {
            let response = get("/", &[("accept-encoding", accept)]);
            (
                header(&response, "content-encoding").map(str::to_owned),
                header(&response, "etag").unwrap().to_owned(),
            )
        };
        assert_eq!(encoding("gzip, deflate, br, zstd"), (Some("br".into()), "\"aa-br\"".into()));
        assert_eq!(encoding("gzip, deflate"), (Some("gzip".into()), "\"aa-gzip\"".into()));
        assert_eq!(encoding("br;q=0, gzip;q=0.5"), (Some("gzip".into()), "\"aa-gzip\"".into()));
        assert_eq!(encoding("identity"), (None, "\"aa\"".into()));
        assert_eq!(header(&get("/sw.js", &[("accept-encoding", "br")]), "content-encoding"), None);
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        for held in ["\"aa\"", "W/\"aa\"", "\"xx\", \"aa\"", "*"] {
            let response = get("/", &[("if-none-match", held)]);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{held}");
            assert_eq!(header(&response, "etag"), Some("\"aa\""));
        }
        for held in ["\"bb\"", "aa", "\"aa-br\""] {
            assert_eq!(get("/", &[("if-none-match", held)]).status(), StatusCode::OK, "{held}");
        }
    }

    #[test]
    fn the_service_worker_may_serve_the_whole_site() {
        let response = get("/sw.js", &[]);

        assert_eq!(header(&response, "service-worker-allowed"), Some("/"));
        assert_eq!(header(&response, "cache-control"), Some("no-cache"));
        assert_eq!(header(&response, "content-type"), Some("text/javascript; charset=utf-8"));
    }

    #[test]
    fn only_the_files_of_the_page_are_served() {
        for path in ["/nothing", "/../Cargo.toml", "/index.html/", "/%2e%2e/", "", "/__proto__"] {
            assert_eq!(get(path, &[]).status(), StatusCode::NOT_FOUND, "{path}");
        }
        let post = respond(PAGE, &Method::POST, "/", &HeaderMap::new());
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
