//! Pictures of every state of the page, on a desktop and a phone, light and dark, in every language:
//! `cargo xtask shots`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::{Browser, Kind, Options, Scheme, Server, sealed_program, sparse_file, target_dir, walk};

const SIZES: [(&str, u32, u32); 2] = [("desktop", 1280, 800), ("phone", 390, 844)];
const SCHEMES: [(&str, Scheme); 2] = [("light", Scheme::Light), ("dark", Scheme::Dark)];
const LANGUAGES: [(&str, &str); 2] = [("en", "en-US,en"), ("ko", "ko-KR,ko")];

fn main() -> Result<()> {
    sealed_program(Duration::from_secs(600), async {
        let folder = target_dir().join("shots");
        fs::create_dir_all(&folder)?;
        let server = Server::start()?;
        for (language, languages) in LANGUAGES {
            let options = Options { languages, ..Options::default() };
            let browser = Browser::start_with(Kind::Chromium, options).await?;
            let album = Album { folder: folder.clone(), language };
            if let Err(error) = album.fill(&server, &browser, options).await {
                let state = browser.state().await.unwrap_or_default();
                browser.screenshot(&folder.join("error.png")).await.context("a picture of the error")?;
                let console = browser.console().await.unwrap_or_default();
                bail!("{language}, in {state:?}: {error:#}\n{console:#?}");
            }
        }
        println!("{}", folder.display());
        Ok(())
    })
}

/// Pictures in one language.
struct Album {
    folder: PathBuf,
    language: &'static str,
}

impl Album {
    async fn fill(&self, server: &Server, browser: &Browser, options: Options) -> Result<()> {
        walk(server, browser, async |browser, state| self.take(browser, state).await).await?;
        let other = Browser::start_with(Kind::Chromium, options).await?;
        self.two_pages(server, browser, &other).await
    }

    /// What only a sender sees, and what needs another page.
    async fn two_pages(&self, server: &Server, sender: &Browser, receiver: &Browser) -> Result<()> {
        let dir = tempfile::tempdir()?;
        let film = dir.path().join("holiday film.mkv");
        sparse_file(&film, 160 << 20)?;

        sender.open(&server.url).await?;
        sender.click("#write").await?;
        self.take(sender, "writing").await?;

        let code = sender.send_files(&[&film]).await?;
        receiver.open(&server.url).await?;
        receiver.join(&code).await?;
        receiver.until_state("incoming").await?;
        sender
            .until("somebody is asked", "document.querySelector('main').dataset.state === 'connecting'")
            .await?;
        sender.until("the words are shown", "document.querySelector('#sas')?.textContent").await?;
        self.take(sender, "deciding").await?;

        receiver.accept().await?;
        sender.until("a third has arrived", "document.querySelector('#progress')?.position > 0.36").await?;
        self.take(sender, "sending").await?;
        // No relay runs here: the line is bent by hand, as src/page/line.rs bends it.
        sender.eval(BEND, vec![]).await?;
        self.take(sender, "relayed").await?;

        receiver.click("#cancel").await?;
        sender.failure(Duration::from_secs(20)).await?;
        self.take(sender, "stopped").await?;

        sender.open(&server.url).await?;
        let code = sender
            .send_text("https://example.org/the-place-we-talked-about\nTable for four, at eight.")
            .await?;
        receiver.open(&server.url).await?;
        receiver.join(&code).await?;
        receiver.until_state("done").await?;
        self.take(receiver, "text").await
    }

    async fn take(&self, browser: &Browser, state: &str) -> Result<()> {
        for (size, width, height) in SIZES {
            for (scheme_name, scheme) in SCHEMES {
                browser.dress(width, height, scheme).await?;
                browser.screenshot(&self.path(state, size, scheme_name)).await?;
            }
        }
        println!("{} {state}", self.language);
        Ok(())
    }

    fn path(&self, state: &str, size: &str, scheme: &str) -> PathBuf {
        Path::new(&self.folder).join(format!("{state}-{size}-{scheme}-{}.png", self.language))
    }
}

const BEND: &str = "(async () => {
    const line = document.querySelector('.line');
    line.dataset.shape = 'bent';
    for (const path of line.querySelectorAll('.track path')) path.setAttribute('d', 'M0 50L50 -5L100 50');
    const path = line.querySelector('.path');
    const done = path.style.getPropertyValue('--done');
    path.style.setProperty('--lift', 1 - Math.abs(2 * done - 1));
    const texts = await (await fetch(`${document.documentElement.lang}.json`)).json();
    document.querySelector('#path').textContent = texts.path_relay_over.replace('{protocol}', 'TLS');
})()";
