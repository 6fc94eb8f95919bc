//! Pictures of every state of the page, on a desktop and a phone, light and dark: `cargo xtask shots`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::{Browser, Kind, Scheme, Server, sealed_program, target_dir, walk};

const SIZES: [(&str, u32, u32); 2] = [("desktop", 1280, 800), ("phone", 390, 844)];
const SCHEMES: [(&str, Scheme); 2] = [("light", Scheme::Light), ("dark", Scheme::Dark)];

fn main() -> Result<()> {
    sealed_program(Duration::from_secs(300), async {
        let folder = target_dir().join("shots");
        fs::create_dir_all(&folder)?;
        let server = Server::start()?;
        let browser = Browser::start(Kind::Chromium).await?;
        let result = walk(&server, &browser, async |browser, state| {
            for (size, width, height) in SIZES {
                for (scheme_name, scheme) in SCHEMES {
                    browser.dress(width, height, scheme).await?;
                    tokio::time::sleep(Duration::from_millis(300)).await; // transitions
                    browser.screenshot(&folder.join(format!("{state}-{size}-{scheme_name}.png"))).await?;
                }
            }
            println!("{state}");
            Ok(())
        });
        if let Err(error) = result.await {
            let state = browser.state().await.unwrap_or_default();
            browser.screenshot(&folder.join("error.png")).await.context("a picture of the error")?;
            bail!("in {state:?}: {error:#}");
        }
        println!("{}", folder.display());
        Ok(())
    })
}
