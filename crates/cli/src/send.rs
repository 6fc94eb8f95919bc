//! `beeline send`: shows a code, waits for one receiver, and ends with it.
use crate::{
    args::Send,
    conversation::{Conversation, Next},
    interrupts::Interrupts,
    lan::Lan,
    meeting::Choice,
    outcome::Failure,
    ui::{Invitation, Ui},
};
use beeline_core::output::{Event as Told, TransferId};
use beeline_peer::{Config, Peer, Source};
use std::{collections::BTreeSet, path::Path, sync::Arc};

pub(crate) async fn run(args: Send, ui: &mut Ui) -> Result<(), Failure> {
    let choice = Choice::make(&args.meeting)?;
    let source = gather(&args).await?;
    let mut interrupts = Interrupts::listen()?;
    if let Some(source) = &source {
        ui.skipped(source.skipped());
        ui.sending(source.manifest());
    }
    match &choice.server {
        Some(server) => {
            let base = server.base();
            let config = choice.at(server.clone());
            send(&args, source, config, &base, false, &mut interrupts, ui).await
        }
        None => {
            let lan = Lan::start(&choice.name).await?;
            ui.sharing(lan.urls());
            let config = choice.at(lan.address());
            let result = send(&args, source, config, lan.base(), true, &mut interrupts, ui).await;
            lan.stop().await;
            result
        }
    }
}

/// Finds out what there is to send, before anybody is told of it.
async fn gather(args: &Send) -> Result<Option<Source>, Failure> {
    if args.paths.is_empty() {
        return Ok(None);
    }
    if args.paths.iter().any(|path| path == Path::new("-")) {
        if args.paths.len() > 1 {
            return Err(Failure::usage("standard input (-) is sent alone"));
        }
        return Ok(Some(Source::stream(&args.file_name, Box::new(std::io::stdin()))?));
    }
    let paths = args.paths.clone();
    let walked = tokio::task::spawn_blocking(move || Source::walk(&paths)).await;
    let source = walked.map_err(|_| Failure::new("fault", "looking at the files failed"))??;
    Ok(Some(source))
}

async fn send(
    args: &Send,
    source: Option<Source>,
    config: Config,
    base: &str,
    local: bool,
    interrupts: &mut Interrupts,
    ui: &mut Ui,
) -> Result<(), Failure> {
    let peer = Peer::open(config).map_err(|error| Failure::new("system", error.to_string()))?;
    let mut conversation = Conversation::new(peer);
    let mut pending: BTreeSet<TransferId> = BTreeSet::new();
    let mut manifest = None;
    let mut text = None;
    let gone = || Failure::new("fault", "the session ended before it began");

    if let Some(wanted) = &args.text {
        let sent = conversation.peer.send_text(wanted).await.ok_or_else(gone)?;
        let transfer = sent.map_err(|error| {
            Failure::usage(error.to_string()).hint("put it into a file, or send it through `beeline send -`")
        })?;
        pending.insert(transfer);
        text = Some(transfer);
    }
    if let Some(source) = source {
        let offered = Arc::new(source.manifest().clone());
        let transfer = conversation.peer.offer(source).await.ok_or_else(gone)?;
        conversation.know(transfer, offered.clone());
        pending.insert(transfer);
        manifest = Some(offered);
    }

    loop {
        let told = match conversation.next(interrupts, ui).await {
            Next::Over(result) => return result,
            Next::Told(told) => told,
        };
        match told {
            Told::Code(code) => {
                let (code, link) = (code.to_string(), code.link(base));
                ui.invitation(&Invitation { code: &code, link: &link, local, qr: !args.no_qr });
            }
            Told::WrongGuess { left } => ui.wrong_guess(left),
            Told::TurnedAway(why) => ui.turned_away(&why.to_string()),
            // Shown already; what is offered to it comes next.
            Told::Sas(_) => {
                if let Some(manifest) = manifest.take() {
                    ui.offer(&manifest);
                }
            }
            Told::Accepted(_) => conversation.start(),
            Told::Done(transfer) => {
                conversation.add(transfer);
                if text == Some(transfer) {
                    conversation.add_text(args.text.as_deref().unwrap_or_default());
                    ui.text_sent();
                }
                pending.remove(&transfer);
                if pending.is_empty() && !conversation.is_ending() {
                    ui.done(&conversation.totals());
                    conversation.end(Ok(()));
                }
            }
            Told::Declined { message, .. } => conversation.end(Err(Failure::declined(&message))),
            Told::Failed { failure, .. } => conversation.end(Err(failure.into())),
            Told::Text { text } => ui.text(&text),
            // We only send; another program may do both.
            Told::Offered { transfer, .. } => {
                conversation.peer.decline(transfer, "this side only sends");
            }
            _ => {}
        }
    }
}
