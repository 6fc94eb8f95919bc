//! Who may depend on whom, asked of `cargo tree`: the rules of the architecture that a compiler does not keep.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::run::{cargo, output};

/// A crate, and what must not be anywhere below it, with the reason.
struct Rule {
    package: &'static str,
    never: &'static [&'static str],
    because: &'static str,
}

const OUTSIDE_WORLD: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "smol",
    "reqwest",
    "hyper",
    "getrandom",
    "rustix",
    "web-sys",
    "js-sys",
];
const FOREIGN_CRYPTO: &[&str] = &["ring", "openssl", "openssl-sys", "native-tls"];
const DEVELOPMENT: &[&str] = &["beeline-sim", "e2e", "beeline-bench", "xtask", "thirtyfour"];

const RULES: &[Rule] = &[
    Rule { package: "beeline-core", never: OUTSIDE_WORLD, because: "core does no input or output" },
    Rule {
        package: "beeline-core",
        never: &["beeline-server", "beeline-peer", "beeline-web", "beeline"],
        because: "core is below everything",
    },
    Rule { package: "beeline-sctp", never: OUTSIDE_WORLD, because: "the engine does no input or output" },
    Rule {
        package: "beeline-sctp",
        never: &["beeline-core", "beeline-peer", "beeline-server", "beeline-web", "beeline"],
        because: "the engine is useful by itself",
    },
    Rule {
        package: "beeline-rtc",
        never: &["beeline-core", "beeline-peer", "beeline-server", "beeline-web", "beeline"],
        because: "a connection is useful by itself",
    },
    Rule {
        package: "beeline-server",
        never: &["beeline-peer", "beeline-web", "beeline"],
        because: "who meets whom knows nothing of how they do it",
    },
    Rule {
        package: "beeline-peer",
        never: &["beeline-server", "beeline-web", "beeline"],
        because: "a native peer needs no server and no browser",
    },
    Rule {
        package: "beeline-web",
        never: &["beeline-server", "beeline-peer", "beeline", "tokio"],
        because: "a browser is neither a server nor a native peer",
    },
    Rule { package: "beeline", never: FOREIGN_CRYPTO, because: "one crypto backend: aws-lc-rs" },
    Rule { package: "beeline-server", never: FOREIGN_CRYPTO, because: "one crypto backend: aws-lc-rs" },
    Rule { package: "beeline-peer", never: FOREIGN_CRYPTO, because: "one crypto backend: aws-lc-rs" },
    Rule { package: "beeline", never: DEVELOPMENT, because: "what is for development does not ship" },
];

/// Fails if a crate depends, directly or not, on something that its layer must not know.
pub(crate) fn check() -> Result<()> {
    eprintln!("== layers");
    for rule in RULES {
        let below = below(rule.package)?;
        let found: Vec<_> = rule.never.iter().filter(|name| below.contains(**name)).collect();
        ensure!(
            found.is_empty(),
            "{} depends on {found:?}, but {}\nhint: cargo tree -p {} -e normal -i {}",
            rule.package,
            rule.because,
            rule.package,
            found.first().expect("not empty"),
        );
    }
    Ok(())
}

/// The names of all crates that ship when `package` does, on the system that it is for.
fn below(package: &str) -> Result<BTreeSet<String>> {
    let target = match package {
        "beeline-web" => "wasm32-unknown-unknown",
        _ => "all",
    };
    let arguments =
        ["tree", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}", "--target", target];
    Ok(names(&output(&mut cargo(arguments))?, package))
}

/// From lines such as `serde v1.0.0 (proc-macro)`.
fn names(tree: &str, except: &str) -> BTreeSet<String> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != except).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_cargos_tree_without_the_root() {
        let tree = "beeline-core v0.1.0 (/somewhere)\nserde v1.0.0\nserde_derive v1.0.0 (proc-macro)\nserde v1.0.0 (*)\n\n";

        let names = names(tree, "beeline-core");

        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["serde", "serde_derive"]);
    }

    #[test]
    fn no_crate_of_the_workspace_breaks_its_layer() {
        check().expect("layers");
    }
}
