//! A running server, a WebSocket client that speaks frames, and HTTP by hand.
use beeline_core::wire::signal::{Open, Opened, ToPeer, ToServer};
use beeline_server::{Config, Handle, Server};
use futures_util::{SinkExt, StreamExt};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

/// Nothing on loopback takes this long.
const SOON: Duration = Duration::from_secs(10);

pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.grace = Duration::from_secs(3);
    config
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) urls: Vec<String>,
    pub(crate) handle: Handle,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(config: Config) -> Self {
        let server = Server::bind(config).await.unwrap();
        Self {
            address: server.addresses()[0],
            metrics: server.metrics_address(),
            urls: server.urls().to_vec(),
            handle: server.handle(),
            task: tokio::spawn(server.run()),
        }
    }

    pub(crate) async fn connect(&self) -> Client {
        let url = format!("ws://{}/ws", self.address);
        // As peers do: what is said is under way at once.
        Client(tokio_tungstenite::connect_async_with_config(url, None, true).await.unwrap().0)
    }
}

pub(crate) struct Client(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn say(&mut self, frame: impl Into<ToServer>) {
        self.0.send(Message::binary(frame.into().encode())).await.unwrap();
    }

    /// The next frame; `None` when the socket is closed.
    pub(crate) async fn next(&mut self) -> Option<ToPeer> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Binary(bytes) => return ToPeer::decode(&bytes).unwrap(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> ToPeer {
        timeout(SOON, self.next()).await.expect("a frame comes soon").expect("the socket is open")
    }
}

pub(crate) async fn open(client: &mut Client) -> Opened {
    client.say(Open { versions: vec![1], suites: vec![1], locator: None, joiners: 1 }).await;
    match client.hear().await {
        ToPeer::Opened(opened) => opened,
        other => panic!("not opened: {other:?}"),
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A request whose connection ends with its answer.
pub(crate) fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n{headers}\r\n")
}

/// Sends a request as it is (but for its HOST) and reads the answer, to its length or to the end of the connection.
pub(crate) async fn http(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = request.replace("HOST", &address.to_string());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = async {
        while !is_whole(&bytes) {
            let mut part = [0; 4096];
            match stream.read(&mut part).await.unwrap() {
                0 => break,
                n => bytes.extend(&part[..n]),
            }
        }
    };
    timeout(SOON, read).await.expect("an answer comes soon");
    parse(&bytes).expect("a whole head")
}

/// Whether the connection can stay open and nothing more comes.
fn is_whole(bytes: &[u8]) -> bool {
    parse(bytes).is_some_and(|answer| {
        let length = answer.header("content-length").and_then(|l| l.parse().ok());
        answer.status == 101 || length.is_some_and(|length: usize| answer.body.len() >= length)
    })
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let split = |l: &str| l.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned()));
    Some(Answer { status, headers: lines.filter_map(split).collect(), body: bytes[end + 4..].to_vec() })
}
