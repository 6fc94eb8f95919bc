//! `beeline serve`: the server until somebody stops it.
use crate::{args::Serve, interrupts::Interrupts, outcome::Failure, ui::Ui};
use beeline_core::quote::quote;
use beeline_server::{Config, Server, parse_ice};
use std::fmt::Display;

pub(crate) async fn run(args: Serve, ui: &mut Ui) -> Result<(), Failure> {
    let mut config = Config::default();
    if !args.listen.is_empty() {
        config.listen = args.listen;
    }
    config.metrics = args.metrics;
    config.ice = parse_all(&args.ice, "--ice", parse_ice)?;
    config.trusted_proxies = parse_all(&args.trusted_proxy, "--trusted-proxy", |text| {
        // A single address is a network of one.
        let bits = if text.contains(':') { 128 } else { 32 };
        if text.contains('/') { text.parse() } else { format!("{text}/{bits}").parse() }
    })?;
    config.public_url = args
        .public_url
        .as_deref()
        .map(|text| parse(text, "--public-url", |text| text.parse()))
        .transpose()?;

    let mut interrupts = Interrupts::listen()?;
    let server = Server::bind(config).await.map_err(|error| {
        Failure::new("listen", error.to_string()).hint("--listen ADDR:PORT chooses another address")
    })?;
    ui.listening(server.urls());
    if let Some(url) = server.urls().iter().find(|url| !url.starts_with("http://localhost")) {
        ui.qr(url);
    }

    let handle = server.handle();
    let running = server.run();
    tokio::pin!(running);
    tokio::select! {
        () = &mut running => return Ok(()),
        () = interrupts.next() => handle.shutdown(),
    }
    ui.stopping();
    tokio::select! {
        () = running => Ok(()),
        // Asked twice: no more manners.
        () = interrupts.next() => Err(Failure::interrupted()),
    }
}

fn parse_all<T, E: Display>(
    texts: &[String],
    flag: &str,
    with: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Failure> {
    texts.iter().map(|text| parse(text, flag, &with)).collect()
}

fn parse<T, E: Display>(text: &str, flag: &str, with: impl Fn(&str) -> Result<T, E>) -> Result<T, Failure> {
    with(text).map_err(|error| Failure::usage(format!("{flag} {}: {error}", quote(text))))
}
