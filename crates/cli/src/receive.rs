//! `beeline receive`: finds the sender, asks, and puts what comes where it belongs.
use crate::{
    args::Receive,
    conversation::{Conversation, Next},
    interrupts::Interrupts,
    lan, meeting,
    meeting::Choice,
    outcome::Failure,
    prompt,
    ui::Ui,
};
use beeline_core::{
    code::Code,
    manifest::Manifest,
    output::{Event as Told, TransferId},
};
use beeline_peer::{Config, Folder, Peer, Sink, Stream};
use std::{collections::VecDeque, io::IsTerminal, path::Path, sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::Instant};

/// After something was received, this long for more; the sender usually ends before.
const MORE: Duration = Duration::from_secs(2);

pub(crate) async fn run(args: Receive, ui: &mut Ui) -> Result<(), Failure> {
    let terminal = std::io::stdin().is_terminal();
    if !terminal && !args.yes {
        return Err(Failure::usage("without a terminal nobody can be asked")
            .hint("--yes takes what is offered without asking"));
    }
    let choice = Choice::make(&args.meeting)?;
    let mut interrupts = Interrupts::listen()?;
    let typed = match args.code.as_deref().filter(|code| !code.trim().is_empty()) {
        Some(code) => code.to_owned(),
        None if terminal => ask_code(&mut interrupts, ui).await?,
        None => {
            return Err(Failure::usage("no code is given").hint("beeline receive CODE, or BEELINE_CODE"));
        }
    };
    let (server, code) = meeting::invitation(&typed)?;
    let mut receiver = Receiver { args: &args, interrupts: &mut interrupts, ui };
    match server.or_else(|| choice.server.clone()) {
        Some(server) => receiver.meet(choice.at(server), code).await,
        None => receiver.search(&choice, code).await,
    }
}

async fn ask_code(interrupts: &mut Interrupts, ui: &mut Ui) -> Result<String, Failure> {
    ui.ask("Code or link:");
    tokio::select! {
        typed = prompt::line() => {
            let typed = typed.ok().flatten();
            ui.answered(typed.is_some());
            typed.filter(|typed| !typed.is_empty()).ok_or_else(|| Failure::usage("no code is given"))
        }
        () = interrupts.next() => Err(Failure::interrupted()),
    }
}

struct Receiver<'a> {
    args: &'a Receive,
    interrupts: &'a mut Interrupts,
    ui: &'a mut Ui,
}

/// A question that is being asked.
struct Question {
    transfer: TransferId,
    manifest: Arc<Manifest>,
    sink: Arc<dyn Sink>,
    answer: oneshot::Receiver<Option<String>>,
}

impl Receiver<'_> {
    /// Asks every server of the local network.
    async fn search(&mut self, choice: &Choice, code: Code) -> Result<(), Failure> {
        self.ui.searching();
        let nobody = || {
            Failure::new("no-server", "nobody in this network sends under this code")
                .hint("paste the whole link that the sender shows, or use --server")
        };
        let mut search = lan::Search::start()?;
        let mut refused = None;
        loop {
            let found = tokio::select! {
                found = search.next() => found,
                () = self.interrupts.next() => return Err(Failure::interrupted()),
            };
            let Some(server) = found else { return Err(refused.unwrap_or_else(nobody)) };
            match self.meet(choice.at(server), code.clone()).await {
                // Somebody else's; ours may come yet.
                Err(failure) if failure.kind == "no-room" => refused = Some(failure),
                Err(failure) if failure.kind == "server" => {}
                result => return result,
            }
        }
    }

    async fn meet(&mut self, config: Config, code: Code) -> Result<(), Failure> {
        let peer = Peer::join(config, code).map_err(|error| Failure::new("system", error.to_string()))?;
        let mut conversation = Conversation::new(peer);
        let mut waiting: VecDeque<(TransferId, Arc<Manifest>, Arc<dyn Sink>)> = VecDeque::new();
        let mut question: Option<Question> = None;
        let mut running = 0_u32;
        let mut received = false;
        // A text is not followed by an event of its own.
        let mut told_done = false;
        // When enough is received and nothing more comes.
        let mut idle: Option<Instant> = None;

        loop {
            if question.is_none()
                && let Some((transfer, manifest, sink)) = waiting.pop_front()
            {
                self.ui.ask("Accept? [Y/n]");
                question = Some(Question { transfer, manifest, sink, answer: prompt::line() });
            }
            let told = tokio::select! {
                next = conversation.next(self.interrupts, self.ui) => match next {
                    Next::Over(Err(failure)) if received && running == 0 && failure.kind == PEER_LEFT => {
                        // The usual end: the sender has nothing more and says goodbye.
                        if !told_done {
                            self.ui.done(&conversation.totals());
                        }
                        return Ok(());
                    }
                    Next::Over(result) => return result,
                    Next::Told(told) => told,
                },
                answer = answered(&mut question) => {
                    let asked = question.take().expect("somebody answered it");
                    self.ui.answered(answer.is_some());
                    match prompt::is_yes(answer.as_deref()) {
                        Some(true) => {
                            running += u32::from(self.accept(&mut conversation, asked));
                        }
                        Some(false) => {
                            conversation.peer.decline(asked.transfer, "");
                            conversation.end(Err(Failure::new("declined-here", "declined")));
                        }
                        None => waiting.push_front((asked.transfer, asked.manifest, asked.sink)),
                    }
                    continue;
                }
                () = until(idle), if !conversation.is_ending() => {
                    if !told_done {
                        self.ui.done(&conversation.totals());
                    }
                    conversation.end(Ok(()));
                    continue;
                }
            };
            match told {
                Told::Joined => self.ui.joining(),
                Told::Offered { transfer, manifest } => {
                    idle = None;
                    self.ui.offered(&manifest);
                    let sink = match self.sink(&manifest) {
                        Ok(sink) => sink,
                        Err(failure) => {
                            conversation.peer.decline(transfer, &failure.message);
                            conversation.end(Err(failure));
                            continue;
                        }
                    };
                    if self.args.yes {
                        let asked = Question { transfer, manifest, sink, answer: oneshot::channel().1 };
                        running += u32::from(self.accept(&mut conversation, asked));
                    } else {
                        waiting.push_back((transfer, manifest, sink));
                    }
                }
                Told::Text { text } => {
                    conversation.add_text(&text);
                    self.ui.text(&text);
                    received = true;
                }
                Told::Done(transfer) => {
                    conversation.add(transfer);
                    running = running.saturating_sub(1);
                    received = true;
                    self.ui.done(&conversation.totals());
                    told_done = true;
                }
                Told::Failed { transfer, failure } => {
                    if question.as_ref().is_some_and(|asked| asked.transfer == transfer) {
                        question = None;
                        self.ui.answered(false);
                    }
                    conversation.end(Err(failure.into()));
                }
                _ => {}
            }
            if received && running == 0 && question.is_none() && waiting.is_empty() {
                idle.get_or_insert_with(|| Instant::now() + MORE);
            }
        }
    }

    /// Where to put it, if that place can take it.
    fn sink(&self, manifest: &Manifest) -> Result<Arc<dyn Sink>, Failure> {
        let sink: Arc<dyn Sink> = if self.args.output == Path::new("-") {
            Arc::new(Stream::new(Box::new(std::io::stdout())))
        } else {
            Arc::new(Folder::open(&self.args.output)?)
        };
        sink.check(manifest)?;
        Ok(sink)
    }

    /// Takes it; whether that worked.
    fn accept(&mut self, conversation: &mut Conversation, asked: Question) -> bool {
        match conversation.peer.accept(asked.transfer, asked.manifest.clone(), asked.sink) {
            Ok(()) => {
                conversation.know(asked.transfer, asked.manifest);
                conversation.start();
                true
            }
            Err(refusal) => {
                let failure = Failure::from(refusal);
                conversation.peer.decline(asked.transfer, &failure.message);
                conversation.end(Err(failure));
                false
            }
        }
    }
}

/// The kind of the failure that a goodbye is when nothing was received.
const PEER_LEFT: &str = "peer-left";

async fn answered(question: &mut Option<Question>) -> Option<String> {
    match question {
        Some(question) => (&mut question.answer).await.ok().flatten(),
        None => std::future::pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
