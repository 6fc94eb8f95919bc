//! Every pairing of browser and terminal carries the same files, and both ends name the same digests.
//!
//! Each pairing twice: one file of 64 MiB with an odd name; and a folder of 200 files three levels deep, with an empty
//! file and, where the sender can name several things at once, files beside it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, Kind, LARGE, ODD_NAME, Sample, Server, Terminal, Tree, random_file};

e2e::tests! {
    chromium_to_chromium_a_large_file: a_large_file(Page(Chromium), Page(Chromium));
    chromium_to_firefox_a_large_file: a_large_file(Page(Chromium), Page(Firefox));
    firefox_to_chromium_a_large_file: a_large_file(Page(Firefox), Page(Chromium));
    firefox_to_firefox_a_large_file: a_large_file(Page(Firefox), Page(Firefox));
    chromium_to_terminal_a_large_file: a_large_file(Page(Chromium), Shell);
    firefox_to_terminal_a_large_file: a_large_file(Page(Firefox), Shell);
    terminal_to_chromium_a_large_file: a_large_file(Shell, Page(Chromium));
    terminal_to_firefox_a_large_file: a_large_file(Shell, Page(Firefox));
    terminal_to_terminal_a_large_file: a_large_file(Shell, Shell);

    chromium_to_chromium_a_folder: a_folder(Page(Chromium), Page(Chromium));
    chromium_to_firefox_a_folder: a_folder(Page(Chromium), Page(Firefox));
    firefox_to_chromium_a_folder: a_folder(Page(Firefox), Page(Chromium));
    firefox_to_firefox_a_folder: a_folder(Page(Firefox), Page(Firefox));
    chromium_to_terminal_a_folder: a_folder(Page(Chromium), Shell);
    firefox_to_terminal_a_folder: a_folder(Page(Firefox), Shell);
    terminal_to_chromium_a_folder: a_folder(Shell, Page(Chromium));
    terminal_to_firefox_a_folder: a_folder(Shell, Page(Firefox));
    terminal_to_terminal_a_folder: a_folder(Shell, Shell);

    an_empty_file_alone_arrives_in_a_browser: an_empty_file(Page(Chromium));
    an_empty_file_alone_arrives_in_a_terminal: an_empty_file(Shell);
    terminals_keep_times_and_the_executable_bit: times_and_the_executable_bit();
    two_terminals_show_the_same_authentication_string: the_same_authentication_string();
}

/// One end of a transfer.
#[derive(Clone, Copy)]
enum End {
    Page(Kind),
    Shell,
}
use End::{Page, Shell};

/// What both ends said, and what arrived.
struct Arrived {
    sender_says: BTreeMap<String, String>,
    receiver_says: BTreeMap<String, String>,
    tree: Tree,
}

async fn a_large_file(from: End, to: End) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join(ODD_NAME);
    let digest = random_file(&file, LARGE, 7)?;

    let arrived = carry(from, to, &[file]).await?;

    let expected = BTreeMap::from([(ODD_NAME.to_owned(), digest)]);
    assert_eq!(arrived.tree.files(), expected, "what arrived");
    assert_eq!(arrived.receiver_says, expected, "what the receiver says");
    assert_eq!(arrived.sender_says, expected, "what the sender says");
    Ok(())
}

async fn a_folder(from: End, to: End) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sample = Sample::make(dir.path())?;
    let everything = Tree::of(&sample.root)?;
    // A page's chooser takes either files or one folder, and it shows no empty folders.
    let (given, expected) = match from {
        Page(_) => (vec![sample.things()], everything.only("things").without_empty_folders()),
        Shell => (sample.paths().to_vec(), everything),
    };

    let arrived = carry(from, to, &given).await?;

    expected.ensure_same(&arrived.tree)?;
    assert_eq!(arrived.receiver_says, expected.files(), "what the receiver says");
    assert_eq!(arrived.sender_says, expected.files(), "what the sender says");
    Ok(())
}

async fn an_empty_file(to: End) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("nothing.bin");
    let digest = random_file(&file, 0, 0)?;

    let arrived = carry(Shell, to, &[file]).await?;

    let expected = BTreeMap::from([("nothing.bin".to_owned(), digest)]);
    assert_eq!(arrived.receiver_says, expected);
    assert_eq!(arrived.tree.files(), expected);
    Ok(())
}

/// Sends from end to end.
async fn carry(from: End, to: End, given: &[PathBuf]) -> Result<Arrived> {
    let given: Vec<&Path> = given.iter().map(PathBuf::as_path).collect();
    let server = Server::start()?;
    let (sender, receiver) =
        tokio::try_join!(Sending::start(&server, from, &given), Receiving::start(&server, to))?;
    let (sender, code) = sender;
    receiver.finish(&server, &code, sender, &given).await
}

enum Sending {
    Page(Box<Browser>),
    Shell(Terminal),
}

impl Sending {
    /// Offers the files; the code to tell.
    async fn start(server: &Server, from: End, given: &[&Path]) -> Result<(Self, String)> {
        match from {
            Page(kind) => {
                let browser = Browser::start(kind).await?;
                browser.open(&server.url).await?;
                let code = match given {
                    [folder] if folder.is_dir() => browser.send_folder(folder).await?,
                    files => browser.send_files(files).await?,
                };
                Ok((Self::Page(Box::new(browser)), code))
            }
            Shell => {
                let mut terminal = Terminal::send(&server.url, given)?;
                let code = terminal.code().await?;
                Ok((Self::Shell(terminal), code))
            }
        }
    }

    /// The digests that it shows at the end.
    async fn digests(self) -> Result<BTreeMap<String, String>> {
        match self {
            Self::Page(browser) => browser.finish().await.context("the sender"),
            Self::Shell(terminal) => Ok(terminal.end().await?.expect(0).context("the sender")?.digests()),
        }
    }
}

enum Receiving {
    Page(Box<Browser>),
    Shell,
}

impl Receiving {
    async fn start(server: &Server, to: End) -> Result<Self> {
        Ok(match to {
            Page(kind) => {
                let browser = Browser::start(kind).await?;
                browser.open(&server.url).await?;
                Self::Page(Box::new(browser))
            }
            Shell => Self::Shell,
        })
    }

    async fn finish(self, server: &Server, code: &str, sender: Sending, given: &[&Path]) -> Result<Arrived> {
        match self {
            Self::Page(browser) => {
                browser.join(code).await?;
                browser.accept().await?;
                let receiver_says = browser.finish().await.context("the receiver")?;
                let sender_says = sender.digests().await?;
                let tree = match given {
                    [file] if file.is_file() => {
                        let name =
                            file.file_name().and_then(|name| name.to_str()).context("a file's name")?;
                        browser.downloaded(name, fs::metadata(file)?.len()).await?;
                        Tree::of(&browser.downloads)?
                    }
                    _ => browser.downloaded_archive().await?,
                };
                Ok(Arrived { sender_says, receiver_says, tree })
            }
            Self::Shell => {
                let output = tempfile::tempdir()?;
                let receiver = Terminal::receive(&server.url, code, output.path())?;
                let ended =
                    receiver.end_within(Duration::from_secs(180)).await?.expect(0).context("the receiver")?;
                let sender_says = sender.digests().await?;
                Ok(Arrived { sender_says, receiver_says: ended.digests(), tree: Tree::of(output.path())? })
            }
        }
    }
}

async fn times_and_the_executable_bit() -> Result<()> {
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let folder = from.path().join("tools");
    fs::create_dir(&folder)?;
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for (name, mode) in [("run.sh", 0o755), ("read.txt", 0o644)] {
        fs::write(folder.join(name), name)?;
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode))?;
        fs::File::options().write(true).open(folder.join(name))?.set_modified(long_ago)?;
    }
    let server = Server::start()?;

    let mut sender = Terminal::send(&server.url, &[&folder])?;
    let receiver = Terminal::receive(&server.url, &sender.code().await?, to.path())?;
    receiver.end().await?.expect(0)?;
    sender.end().await?.expect(0)?;

    for (name, executable) in [("run.sh", true), ("read.txt", false)] {
        let found = fs::metadata(to.path().join("tools").join(name))?;
        assert_eq!(found.permissions().mode() & 0o100 != 0, executable, "{name}");
        assert_eq!(found.modified()?, long_ago, "{name}");
    }
    Ok(())
}

async fn the_same_authentication_string() -> Result<()> {
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("a");
    random_file(&file, 1000, 1)?;
    let server = Server::start()?;

    let mut sender = Terminal::send(&server.url, &[&file])?;
    let mut receiver = Terminal::receive(&server.url, &sender.code().await?, to.path())?;
    let (ours, theirs) = (sender.event("peer").await?, receiver.event("peer").await?);

    assert!(ours["sas"].as_str().is_some_and(|sas| !sas.is_empty()), "{ours}");
    assert_eq!(ours["sas"], theirs["sas"]);
    Ok(())
}
