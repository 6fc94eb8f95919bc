//! How a page looks, reads and behaves: pictures, axe-core, violations of its Content-Security-Policy.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use thirtyfour::cdp::domains::emulation::{MediaFeature, SetEmulatedMedia};

use super::{Browser, Kind};
use crate::target_dir;

/// What the page sees as `prefers-color-scheme`.
#[derive(Clone, Copy, Debug)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// axe-core 4.14.1, `package/axe.min.js` of its npm package (MPL-2.0, so it is fetched for tests, not shipped).
const AXE_BLAKE3: &str = "a0ed4373d1e8caa6416959a32966c75840c12038c33fc4b8d68e50eed251640d";

/// What axe-core finds, one line each.
const AXE_RUN: &str = "axe.run().then(result => result.violations.map(
    v => `${v.impact} ${v.id}: ${v.help} (${v.nodes.map(n => n.target).join(', ')})`))";

/// Remembers what the policy forbade, from before the page's first script.
const WATCH_POLICY: &str = "window.policyViolations = [];
    addEventListener('securitypolicyviolation', e =>
        policyViolations.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));";

/// What Firefox's pages were forbidden: errors of their scripts and policies come together in the browser's console.
const POLICY_IN_CONSOLE: &str = "Services.console.getMessageArray()
    .filter(message => message instanceof Ci.nsIScriptError && message.category.startsWith('CSP'))
    .map(message => `${message.errorMessage} ${message.sourceName}:${message.lineNumber}`)";

impl Browser {
    /// Gives the page exactly this size and scheme. Chromium only (DevTools protocol).
    pub async fn dress(&self, width: u32, height: u32, scheme: Scheme) -> Result<()> {
        let value = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let feature = |name: &str, value: &str| MediaFeature { name: name.into(), value: value.into() };
        // Nothing moves, so that nothing has to be waited for.
        let features =
            vec![feature("prefers-color-scheme", value), feature("prefers-reduced-motion", "reduce")];
        let cdp = self.driver.cdp();
        cdp.emulation().set_device_metrics_override(width, height, 1.0, width < 600).await?;
        cdp.send(SetEmulatedMedia { media: None, features: Some(features) }).await?;
        Ok(())
    }

    /// A picture of what is to be seen.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        Ok(self.driver.screenshot(file).await?)
    }

    /// What the accessibility checker axe-core finds, one line each.
    pub async fn accessibility(&self) -> Result<Vec<String>> {
        let path = target_dir().join("e2e/axe.min.js");
        let script = fs::read_to_string(&path)
            .with_context(|| format!("no {}\nhint: cargo xtask test fetches it", path.display()))?;
        let digest = blake3::hash(script.as_bytes()).to_hex();
        ensure!(digest.as_str() == AXE_BLAKE3, "{} is another version: {digest}", path.display());
        self.driver.execute(script, vec![]).await?;
        let found = self.eval(AXE_RUN, vec![]).await?;
        Ok(serde_json::from_value(found)?)
    }

    /// Remembers, for every page loaded from now on, what its Content-Security-Policy forbids.
    ///
    /// Chromium: as events, from before the first script. Firefox's console keeps it, for the browser's own scripts.
    pub async fn watch_policy(&self) -> Result<()> {
        if self.kind == Kind::Chromium {
            let cdp = self.driver.cdp();
            let page = cdp.page();
            page.add_script_to_evaluate_on_new_document(WATCH_POLICY).await?;
        }
        Ok(())
    }

    /// What the page's Content-Security-Policy has forbidden since [`Browser::watch_policy`].
    pub async fn policy_violations(&self) -> Result<Vec<String>> {
        let mut found: Vec<String> = match self.kind {
            Kind::Chromium => self.run("return window.policyViolations ?? []").await?,
            Kind::Firefox => {
                let found = self.in_chrome(POLICY_IN_CONSOLE, vec![]).await?;
                return Ok(serde_json::from_value(found)?);
            }
            Kind::WebKit => bail!("WebKit's driver does not tell"),
        };
        let console = self.console().await?;
        found.extend(console.into_iter().filter(|line| line.contains("Content Security Policy")));
        Ok(found)
    }

    /// Errors and warnings that the page caused in the console.
    pub async fn console(&self) -> Result<Vec<String>> {
        match self.kind {
            Kind::Chromium => {
                let log = self.driver.browser_log().await?;
                let bad = log.into_iter().filter(|entry| entry.level == "SEVERE" || entry.level == "WARNING");
                Ok(bad.map(|entry| entry.message).collect())
            }
            Kind::Firefox => {
                let said = self.process.said().into_iter();
                let bad = |line: &String| {
                    line.contains("console.error")
                        || line.contains("JavaScript error")
                        || line.contains("Security")
                };
                Ok(said.filter(bad).collect())
            }
            Kind::WebKit => bail!("WebKit's driver does not tell"),
        }
    }
}
