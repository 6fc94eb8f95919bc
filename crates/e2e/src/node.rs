//! libwebrtc without a browser: npm's `@roamhq/wrtc` in Node, asked as a browser's page is.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::{PATIENCE, target_dir};

/// A Node process with the names of a browser's WebRTC; killed when dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    questions: ChildStdin,
    answers: UnboundedReceiver<String>,
}

/// Where the package is; nothing if npm could not install it.
pub fn node_modules() -> Option<PathBuf> {
    let modules = target_dir().join("npm/node_modules");
    modules.join("@roamhq/wrtc").exists().then_some(modules)
}

impl Node {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let Some(modules) = node_modules() else {
            bail!(
                "missing: @roamhq/wrtc, libwebrtc for Node\nhint: cargo xtask test installs it, or says why npm can't"
            );
        };
        let mut command = Command::new("node");
        command.args(["-e", include_str!("node.js")]).env("NODE_PATH", modules);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("node does not start")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (questions, stdout) = (stdin.context("piped")?, stdout.context("piped")?);
        let (sender, answers) = unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line); // the test is over
            }
        });
        Ok(Self { child, questions, answers })
    }

    /// Runs a script, as a page does.
    pub async fn run(&mut self, script: &str) -> Result<()> {
        self.eval("(0, eval)(args[0]), null", vec![json!(script)]).await.map(drop)
    }

    /// Evaluates an asynchronous JavaScript expression, which sees `args`; a rejection is an error.
    pub async fn eval(&mut self, expression: &str, args: Vec<Value>) -> Result<Value> {
        writeln!(self.questions, "{}", json!({ "expression": expression, "args": args }))
            .context("node ended")?;
        let answer = timeout(PATIENCE, self.answers.recv()).await.context("node does not answer")?;
        let answer: Value = serde_json::from_str(&answer.context("node ended")?)?;
        ensure!(answer.get("error").is_none(), "node: {}", answer["error"]);
        Ok(answer["ok"].clone())
    }

    /// Waits until the JavaScript expression is true.
    pub async fn until(&mut self, what: &str, condition: &str) -> Result<()> {
        let start = Instant::now();
        while self.eval(&format!("!!({condition})"), vec![]).await? != json!(true) {
            ensure!(start.elapsed() < PATIENCE, "node: not in time: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
