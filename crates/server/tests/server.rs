//! The real server on port 0, with a real WebSocket client and hand-written HTTP.
#![allow(clippy::unwrap_used, reason = "the helpers are test code too")]
mod common;

use beeline_core::wire::signal::{
    Cursor, Join, Leave, Locator, MAX_SIGNAL_LEN, Opened, Post, Presence, Reason, Resume, ToPeer,
};
use beeline_server::{Config, Limits};
use common::{Client, Running, config, http, open, request};
use futures_util::SinkExt;
use std::{io::Read, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn two_peers_meet_talk_and_resume_over_sockets() {
    let server = Running::start(config()).await;
    let mut a = server.connect().await;
    let opened = open(&mut a).await;
    let mut b = server.connect().await;
    let nameplate = Locator::Nameplate(opened.nameplate.unwrap());
    b.say(Join { versions: vec![1], suites: vec![1], locator: nameplate }).await;
    let ToPeer::Joined(joined) = b.hear().await else { panic!("not joined") };
    assert_eq!(joined.build, opened.build);
    assert!(matches!(a.hear().await, ToPeer::PeerJoined(p) if p.peer == 1));

    a.say(Post { to: 1, seq: 1, ack: 0, body: b"one".to_vec() }).await;
    assert!(matches!(b.hear().await, ToPeer::Message(m) if m.body == b"one"));
    drop(b);
    assert!(matches!(a.hear().await, ToPeer::PeerState(s) if s.presence == Presence::Away));
    a.say(Post { to: 1, seq: 2, ack: 0, body: b"two".to_vec() }).await;
    let mut b = server.connect().await;
    b.say(Resume { token: joined.token, received: vec![Cursor { peer: 0, seq: 1 }] }).await;

    assert!(matches!(b.hear().await, ToPeer::Resumed(_)));
    assert!(matches!(b.hear().await, ToPeer::PeerState(s) if s.presence == Presence::Here));
    assert!(matches!(b.hear().await, ToPeer::Message(m) if m.body == b"two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn last_words_count_though_their_speaker_hears_nothing_any_more() {
    // A joiner that finds the opener's offer forged says so and leaves, while the opener's candidates are on their way
    // to it. Its kernel resets the connection for the bytes that nobody read.
    for round in 0..20 {
        let server = Running::start(config()).await;
        let mut a = server.connect().await;
        let locator = Locator::Nameplate(open(&mut a).await.nameplate.unwrap());
        let mut b = server.connect().await;
        b.say(Join { versions: vec![1], suites: vec![1], locator }).await;
        let ToPeer::Joined(_) = b.hear().await else { panic!("not joined") };
        assert!(matches!(a.hear().await, ToPeer::PeerJoined(_)));

        let candidates = async {
            for seq in 1..=20 {
                a.say(Post { to: 1, seq, ack: 0, body: vec![0; 1000] }).await;
            }
        };
        let leave = async {
            b.say(Post { to: 0, seq: 1, ack: 0, body: b"forged".to_vec() }).await;
            b.say(Leave {}).await;
            drop(b);
        };
        tokio::join!(candidates, leave);

        let heard = (a.hear().await, a.hear().await);
        assert!(matches!(&heard.0, ToPeer::Message(m) if m.body == b"forged"), "round {round}: {heard:?}");
        assert!(
            matches!(&heard.1, ToPeer::PeerState(s) if s.presence == Presence::Left),
            "round {round}: {heard:?}"
        );
    }
}

#[tokio::test]
async fn garbage_text_and_long_messages_close_their_socket_only() {
    let server = Running::start(config()).await;
    let mut bystander = server.connect().await;
    let _: Opened = open(&mut bystander).await;
    for garbage in [
        Message::binary(Vec::new()),
        Message::binary(vec![0xff_u8; 3]), // a later version's: skipped, so the next one is what closes
        Message::binary(vec![0x01, 0xbf, 0xff]),
        Message::text("hello"),
        Message::binary(vec![0; MAX_SIGNAL_LEN + 1]),
        Message::binary(vec![0x02; MAX_SIGNAL_LEN]),
    ] {
        let mut client = server.connect().await;
        let _ = client.0.send(garbage).await;
        let _ = client.0.send(Message::binary(vec![0x7f])).await;
        assert!(client.is_closed_within(Duration::from_secs(3)).await);
    }
    bystander.say(Post { to: 0, seq: 1, ack: 0, body: vec![] }).await;
    assert!(matches!(bystander.hear().await, ToPeer::Refused(r) if r.reason == Reason::BadMessage));
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed() {
    let mut config = config();
    config.limits.hello_within = Duration::from_millis(500);
    let server = Running::start(config).await;
    let mut client = server.connect().await;

    let started = Instant::now();
    assert!(matches!(client.hear().await, ToPeer::Refused(_)));
    assert!(client.is_closed_within(Duration::from_secs(3)).await);
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_dead() {
    let mut config = config();
    config.limits.ping_every = Duration::from_millis(100);
    config.limits.dead_after = Duration::from_millis(400);
    let server = Running::start(config).await;
    let mut a = server.connect().await;
    let opened = open(&mut a).await;
    let mut b = server.connect().await;
    let locator = Locator::Nameplate(opened.nameplate.unwrap());
    b.say(Join { versions: vec![1], suites: vec![1], locator }).await;
    assert!(matches!(a.hear().await, ToPeer::PeerJoined(_)));

    // b is not polled any more, so nothing answers for it; a answers because `hear` reads.
    assert!(matches!(a.hear().await, ToPeer::PeerState(s) if s.presence == Presence::Away));
}

#[tokio::test]
async fn foreign_pages_get_no_socket() {
    let server = Running::start(config()).await;
    let own = format!("http://{}", server.address);
    for (origin, status) in [(None, 101), (Some(own.as_str()), 101), (Some("https://evil.example"), 403)] {
        let origin = origin.map(|o| format!("Origin: {o}\r\n")).unwrap_or_default();
        let answer = http(server.address, &upgrade("/ws", &origin)).await;
        assert_eq!(answer.status, status, "{origin}");
    }
    assert!(http(server.address, &request("GET", "/ws", "")).await.status >= 400);
}

#[tokio::test]
async fn forwarded_addresses_count_only_from_a_trusted_proxy() {
    let limits = |config: &mut Config| {
        config.limits.sockets_per_address = 1;
        config.limits.loopback_factor = 1;
    };
    let mut strict = config();
    limits(&mut strict);
    let strict = Running::start(strict).await;
    let _first = strict.connect().await;
    let answer = http(strict.address, &upgrade("/ws", "X-Forwarded-For: 203.0.113.9\r\n")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("60")));

    let mut trusting = config();
    limits(&mut trusting);
    trusting.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let trusting = Running::start(trusting).await;
    let _first = trusting.connect().await;
    let answer = http(trusting.address, &upgrade("/ws", "X-Forwarded-For: 203.0.113.9\r\n")).await;
    assert_eq!(answer.status, 101);
}

#[tokio::test]
async fn a_full_server_says_so_and_when_to_come_again() {
    let mut config = config();
    config.limits.sockets = 1;
    let server = Running::start(config).await;
    let first = server.connect().await;

    let answer = http(server.address, &upgrade("/ws", "")).await;

    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")));
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(5);
    while http(server.address, &upgrade("/ws", "")).await.status != 101 {
        assert!(Instant::now() < deadline, "the slot does not come free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_page_comes_with_its_headers_and_is_not_sent_twice() {
    let server = Running::start(config()).await;
    let page = http(server.address, &request("GET", "/", "")).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    for (name, part) in [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; ",
        ),
        ("content-security-policy", "worker-src 'self' blob:"),
        ("content-security-policy", "frame-src 'self'; frame-ancestors 'none'"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("permissions-policy", "camera=(self)"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-cache"),
        ("vary", "accept-encoding"),
    ] {
        assert!(page.header(name).is_some_and(|v| v.contains(part)), "{name}: {:?}", page.header(name));
    }
    assert_eq!(page.header("strict-transport-security"), None);

    let held = format!("If-None-Match: {}\r\n", page.header("etag").unwrap());
    let again = http(server.address, &request("GET", "/index.html", &held)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));

    let head = http(server.address, &request("HEAD", "/", "")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(page.body.len().to_string().as_str()));
    let missing = http(server.address, &request("GET", "/../../etc/passwd", "")).await;
    assert_eq!((missing.status, missing.header("x-content-type-options")), (404, Some("nosniff")));
    assert_eq!(http(server.address, &request("POST", "/", "Content-Length: 0\r\n")).await.status, 405);
    assert_eq!(http(server.address, &request("GET", "/healthz", "")).await.body, b"ok\n");
    assert_eq!(http(server.address, &request("GET", "/metrics", "")).await.status, 404);
}

#[tokio::test]
async fn a_compressed_page_is_the_same_page() {
    let server = Running::start(config()).await;
    let plain = http(server.address, &request("GET", "/", "")).await;

    let packed = http(server.address, &request("GET", "/", "Accept-Encoding: gzip\r\n")).await;

    if packed.header("content-encoding").is_none() {
        return; // a stand-in page too small to gain
    }
    assert_ne!(packed.header("etag"), plain.header("etag"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, plain.body);
}

#[tokio::test]
async fn everything_answers_below_a_prefix_too() {
    let mut config = config();
    config.public_url = Some("https://files.example.org/share/beeline/".parse().unwrap());
    let server = Running::start(config).await;
    assert_eq!(server.urls[0], "https://files.example.org/share/beeline/");

    for path in ["/", "/index.html", "/share/beeline/", "/share/beeline/index.html", "/share/beeline/healthz"]
    {
        let answer = http(server.address, &request("GET", path, "")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("strict-transport-security").is_some());
    }
    let bare = http(server.address, &request("GET", "/share/beeline", "")).await;
    assert_eq!((bare.status, bare.header("location")), (308, Some("/share/beeline/")));
    for path in ["/ws", "/share/beeline/ws"] {
        let own = upgrade(path, "Origin: https://files.example.org\r\n");
        assert_eq!(http(server.address, &own).await.status, 101, "{path}");
    }
    assert_eq!(http(server.address, &request("GET", "/share/beelineindex.html", "")).await.status, 404);
}

#[tokio::test]
async fn metrics_answer_on_their_own_port() {
    let mut config = config();
    config.metrics = Some("127.0.0.1:0".parse().unwrap());
    let server = Running::start(config).await;
    let metrics = server.metrics.unwrap();
    let mut a = server.connect().await;
    open(&mut a).await;

    let text = http(metrics, &request("GET", "/metrics", "")).await;

    let text = String::from_utf8(text.body).unwrap();
    assert!(text.contains("\nbeeline_rooms 1\n") && text.contains("\nbeeline_ws_connections 1\n"), "{text}");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(http(metrics, &request("GET", path, "")).await.status, 200);
    }
    assert_eq!(http(metrics, &request("GET", "/", "")).await.status, 404);
}

#[tokio::test]
async fn a_stopping_server_tells_its_sockets_and_ends() {
    let server = Running::start(config()).await;
    let mut a = server.connect().await;
    open(&mut a).await;
    let idle = TcpStream::connect(server.address).await.unwrap();

    server.handle.shutdown();

    assert!(
        matches!(a.hear().await, ToPeer::Refused(r) if r.reason == Reason::Draining && r.retry_ms.is_some())
    );
    assert!(a.is_closed_within(Duration::from_secs(3)).await);
    timeout(Duration::from_secs(4), server.task).await.expect("it ends").unwrap();
    drop(idle);
}

#[tokio::test]
async fn heads_that_never_end_do_not_hold_a_connection() {
    let server = Running::start(config()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let line = [b"X-A: ".as_slice(), &[b'a'; 8000], b"\r\n"].concat();

    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    for _ in 0..10 {
        if stream.write_all(&line).await.is_err() {
            break;
        }
    }

    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "still open after 80 kB of head");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_in_words() {
    let server = Running::start(config()).await;
    let mut second = Config::default();
    second.listen = vec![server.address];

    let error = beeline_server::Server::bind(second).await.unwrap_err().to_string();

    assert!(error.starts_with(&format!("cannot listen on {}: ", server.address)), "{error}");
}

#[tokio::test]
async fn the_default_listens_on_both_families_and_names_this_machine() {
    let mut config = Config::default();
    config.listen = vec!["[::]:0".parse().unwrap()];
    let server = beeline_server::Server::bind(config).await.unwrap();
    let port = server.addresses()[0].port();
    assert_eq!(server.urls()[0], format!("http://localhost:{port}/"));
    let task = tokio::spawn(server.run());

    let answer = http(format!("127.0.0.1:{port}").parse().unwrap(), &request("GET", "/healthz", "")).await;

    assert_eq!(answer.status, 200);
    task.abort();
}

#[test]
fn the_limits_that_others_rely_on() {
    let limits = Limits::default();
    assert_eq!((limits.sockets_per_address, limits.guesses_per_minute), (32, 10.0));
    assert_eq!(limits.hello_within, Duration::from_secs(10));
    assert_eq!((limits.ping_every, limits.dead_after), (Duration::from_secs(25), Duration::from_secs(60)));
}

fn upgrade(path: &str, headers: &str) -> String {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    request("GET", path, &format!("{upgrade}{headers}")).replace("Connection: close\r\n", "")
}

impl Client {
    async fn is_closed_within(&mut self, limit: Duration) -> bool {
        timeout(limit, async { while self.next().await.is_some() {} }).await.is_ok()
    }
}
