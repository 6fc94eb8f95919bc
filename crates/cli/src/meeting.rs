//! Which server to meet at: the flag or the environment, then the configuration file, then none.
use crate::{args::Meeting, outcome::Failure};
use beeline_core::{
    code::{Code, Link},
    quote::quote,
};
use beeline_peer::{Config, ServerAddress};
use serde::Deserialize;
use std::{io, path::PathBuf};

/// `beeline/config.toml` in the configuration folder of the platform.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct File {
    server: Option<String>,
    name: Option<String>,
}

/// What `--server` and `--name` come to.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) server: Option<ServerAddress>,
    pub(crate) name: String,
}

impl Choice {
    pub(crate) fn make(meeting: &Meeting) -> Result<Choice, Failure> {
        let given = meeting.server.as_deref().filter(|server| !server.trim().is_empty());
        let file = if given.is_some() && meeting.name.is_some() { File::default() } else { read_file()? };
        let server = match (given, &file.server) {
            (Some(server), _) => Some(address(server)?),
            (None, Some(server)) => Some(address(server)?),
            (None, None) => None,
        };
        let name = meeting.name.clone().or(file.name).unwrap_or_else(host_name);
        Ok(Choice { server, name })
    }

    pub(crate) fn at(&self, server: ServerAddress) -> Config {
        Config { server, name: self.name.clone() }
    }
}

fn address(text: &str) -> Result<ServerAddress, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("{}: {error}", quote(text))))
}

fn host_name() -> String {
    let name = gethostname::gethostname().to_string_lossy().trim().to_owned();
    if name.is_empty() { "a terminal".into() } else { name }
}

fn path() -> Option<PathBuf> {
    Some(dirs::config_dir()?.join("beeline").join("config.toml"))
}

fn read_file() -> Result<File, Failure> {
    let Some(path) = path() else { return Ok(File::default()) };
    let shown = quote(&path.to_string_lossy());
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| {
            let message = error.message().to_owned();
            Failure::usage(format!("{shown} is not right: {message}"))
                .hint("it may hold server = \"https://…\" and name = \"…\"")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(File::default()),
        Err(error) => Err(Failure::usage(format!("{shown} cannot be read: {error}"))),
    }
}

/// Reads what somebody typed or pasted: a code, or a link with its server.
pub(crate) fn invitation(text: &str) -> Result<(Option<ServerAddress>, Code), Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::usage(quote(&error.to_string()));
    if text.contains("://") {
        let link = Link::parse(text).map_err(|error| refused(&error))?;
        Ok((Some(address(&link.server)?), link.code))
    } else {
        Ok((None, Code::parse(text).map_err(|error| refused(&error))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_brings_its_server_along() {
        let (server, _) = invitation("http://192.0.2.7:8080/drop/#7-guitar-sunset").unwrap();
        assert_eq!(server.unwrap().base(), "http://192.0.2.7:8080/drop/");

        let (server, _) = invitation("7 GUITAR sunset").unwrap();
        assert!(server.is_none());
    }

    #[test]
    fn what_is_neither_is_wrong_usage() {
        for text in ["", "guitar", "https://example.org/", "7-guitar-nosuchword"] {
            assert_eq!(invitation(text).unwrap_err().status, crate::outcome::Status::Usage, "{text:?}");
        }
    }

    #[test]
    fn a_mistyped_key_of_the_file_is_not_ignored() {
        assert!(toml::from_str::<File>("sever = \"https://example.org\"").is_err());
        assert_eq!(toml::from_str::<File>("").unwrap(), File::default());
    }
}
