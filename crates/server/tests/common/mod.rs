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

pub fn config() -> Config {
    let mut config = Config::default();
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.grace = Duration::from_secs(3);
    config
}

pub struct Running {
    pub address: SocketAddr,
    pub metrics: Option<SocketAddr>,
    pub urls: Vec<String>,
    pub handle: Handle,
    pub task: JoinHandle<()>,
}

impl Running {
    pub async fn start(config: Config) -> Self {
        let server = Server::bind(config).await.unwrap();
        Self {
            address: server.addresses()[0],
            metrics: server.metrics_address(),
            urls: server.urls().to_vec(),
            handle: server.handle(),
            task: tokio::spawn(server.run()),
        }
    }

    pub async fn connect(&self) -> Client {
        let url = format!("ws://{}/ws", self.address);
        Client(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }
}

pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub async fn say(&mut self, frame: impl Into<ToServer>) {
        self.0.send(Message::binary(frame.into().encode())).await.unwrap();
    }

    /// The next frame; `None` when the socket is closed.
    pub async fn next(&mut self) -> Option<ToPeer> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Binary(bytes) => return ToPeer::decode(&bytes).unwrap(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    pub async fn hear(&mut self) -> ToPeer {
        timeout(SOON, self.next()).await.expect("a frame comes soon").expect("the socket is open")
    }
}

pub async fn open(client: &mut Client) -> Opened {
    client.say(Open { versions: vec![1], suites: vec![1], locator: None, joiners: 1 }).await;
    match client.hear().await {
        ToPeer::Opened(opened) => opened,
        other => panic!("not opened: {other:?}"),
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A request whose connection ends with its answer.
pub fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n{headers}\r\n")
}

/// Sends a request as it is (but for its HOST) and reads the answer; an upgrade's answer ends with its head.
pub async fn http(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = request.replace("HOST", &address.to_string());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.starts_with(b"HTTP/1.1 101") || !bytes.ends_with(b"\r\n\r\n") {
            let mut part = [0; 4096];
            match stream.read(&mut part).await.unwrap() {
                0 => break,
                n => bytes.extend(&part[..n]),
            }
        }
    };
    timeout(SOON, read).await.expect("an answer comes soon");
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let split = |l: &str| l.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned()));
    Answer { status, headers: lines.filter_map(split).collect(), body: bytes[end + 4..].to_vec() }
}
