//! Session descriptions of a connection that has data channels only (RFC 8866, RFC 8829, RFC 8841).
//!
//! ```text
//! v=0 · o=- ID VERSION IN IP4 0.0.0.0 · s=- · t=0 0 · a=group:BUNDLE MID
//! m=application 9 UDP/DTLS/SCTP webrtc-datachannel · c=IN IP4 0.0.0.0 · a=mid · a=ice-ufrag · a=ice-pwd
//! a=ice-options:trickle · a=fingerprint · a=setup · a=sctp-port · a=max-message-size · a=candidate …
//! ```
//! Reading is liberal: attributes are looked up in the data section first, then above all sections, and what is not
//! known is ignored. Other sections of an offer (a call) are refused in the answer.
use std::fmt::{self, Write};

/// Offer or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdpKind {
    /// The first half of a negotiation.
    Offer,
    /// The second half.
    Answer,
}

/// Who begins the DTLS handshake (RFC 8842 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Either way; the answer decides.
    ActPass,
    /// Whoever says so is the client.
    Active,
    /// Whoever says so is the server.
    Passive,
}

impl Setup {
    const fn name(self) -> &'static str {
        match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

/// SHA-256 of a certificate (RFC 8122 §5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) [u8; 32]);

impl Fingerprint {
    fn parse(value: &str) -> Option<Self> {
        let (algorithm, hex) = value.split_once(' ')?;
        let mut bytes = [0; 32];
        let mut pairs = hex.trim().split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2)?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        (algorithm.eq_ignore_ascii_case("sha-256") && pairs.next().is_none()).then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256 ")?;
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// Why a description can't be used. It names the line that is missing or wrong, never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// No section for data channels.
    #[error("no data channels in the session description")]
    NoDataChannels,
    /// The attribute is missing or can't be read.
    #[error("no usable a={0} in the session description")]
    Attribute(&'static str),
    /// An answer came without an offer, or an offer in the middle of an own one was not expected.
    #[error("an answer without an offer")]
    Unexpected,
}

/// A section of an offer that is not ours: kind, protocol and formats, and its `a=mid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    media: String,
    mid: Option<String>,
    ours: bool,
}

/// What the other side said.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) setup: Setup,
    pub(crate) sctp_port: u16,
    /// Largest message it takes, bytes.
    pub(crate) max_message_size: usize,
    pub(crate) sections: Vec<Section>,
}

impl Remote {
    pub(crate) fn parse(sdp: &str) -> Result<Self, SdpError> {
        let parts = split(sdp);
        let (session, sections) = parts.split_first().expect("there is a part before the first section");
        let is_data = |part: &&Vec<&str>| {
            let mut fields = part[0].split(' ');
            fields.next() == Some("m=application") && part[0].contains("/SCTP")
        };
        let data = sections.iter().find(is_data).ok_or(SdpError::NoDataChannels)?;
        let find = |name: &'static str| {
            attribute(data, name).or_else(|| attribute(session, name)).ok_or(SdpError::Attribute(name))
        };
        let fingerprints = [data, session].into_iter().flat_map(|part| attributes(part, "fingerprint"));
        let setup = match find("setup").unwrap_or("actpass") {
            "active" => Setup::Active,
            "passive" => Setup::Passive,
            "actpass" => Setup::ActPass,
            _ => return Err(SdpError::Attribute("setup")),
        };
        Ok(Self {
            ufrag: token(find("ice-ufrag")?, 4).ok_or(SdpError::Attribute("ice-ufrag"))?,
            pwd: token(find("ice-pwd")?, 22).ok_or(SdpError::Attribute("ice-pwd"))?,
            fingerprint: fingerprints
                .filter_map(Fingerprint::parse)
                .next()
                .ok_or(SdpError::Attribute("fingerprint"))?,
            setup,
            sctp_port: match find("sctp-port") {
                Ok(port) => port.parse().map_err(|_| SdpError::Attribute("sctp-port"))?,
                Err(_) => 5000,
            },
            max_message_size: max_message_size(find("max-message-size").ok()),
            sections: sections
                .iter()
                .map(|part| Section {
                    media: part[0].strip_prefix("m=").unwrap_or_default().to_owned(),
                    mid: attribute(part, "mid").map(str::to_owned),
                    ours: part == data,
                })
                .collect(),
        })
    }
}

/// RFC 8841 §6.1: 65,536 where nothing is said, 0 for no limit.
fn max_message_size(value: Option<&str>) -> usize {
    match value.map(str::parse::<u32>) {
        Some(Ok(0)) => u32::MAX as usize,
        Some(Ok(bytes)) => bytes as usize,
        _ => 65_536,
    }
}

/// The candidates within a description, as `candidate:…`.
pub fn candidates(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines().filter_map(|line| line.strip_prefix("a=")).filter(|line| line.starts_with("candidate:"))
}

/// An ICE user name fragment or password (RFC 8839 §5.4): ice-chars only, because it goes into STUN.
fn token(value: &str, least: usize) -> Option<String> {
    let fits =
        |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/' || c == b'-' || c == b'_' || c == b'=';
    ((least..=256).contains(&value.len()) && value.bytes().all(fits)).then(|| value.to_owned())
}

/// The lines of the session, then those of each media section, `m=` first.
fn split(sdp: &str) -> Vec<Vec<&str>> {
    let mut parts = vec![Vec::new()];
    for line in sdp.lines() {
        if line.starts_with("m=") {
            parts.push(Vec::new());
        }
        parts.last_mut().expect("there is one from the start").push(line.trim_end());
    }
    parts
}

fn attributes<'a>(part: &'a [&'a str], name: &'a str) -> impl Iterator<Item = &'a str> {
    let attributes = part.iter().filter_map(|line| line.strip_prefix("a=")?.split_once(':'));
    attributes.filter(move |(key, _)| *key == name).map(|(_, value)| value.trim())
}

fn attribute<'a>(part: &'a [&'a str], name: &'a str) -> Option<&'a str> {
    attributes(part, name).next()
}

/// What we say.
pub(crate) struct Local<'a> {
    pub(crate) session_id: u64,
    pub(crate) version: u32,
    pub(crate) ufrag: &'a str,
    pub(crate) pwd: &'a str,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) setup: Setup,
    pub(crate) max_message_size: usize,
    pub(crate) candidates: Vec<String>,
}

impl Local<'_> {
    /// The text. `sections` are the offer's in an answer, else empty.
    pub(crate) fn write(&self, sections: &[Section]) -> String {
        let own = [Section { media: String::new(), mid: Some("0".into()), ours: true }];
        let sections = if sections.is_empty() { &own } else { sections };
        let mut out = String::with_capacity(1024);
        let mut line = |text: fmt::Arguments<'_>| {
            out.write_fmt(text).and_then(|()| out.write_str("\r\n")).expect("a string takes everything");
        };
        line(format_args!("v=0"));
        line(format_args!("o=- {} {} IN IP4 0.0.0.0", self.session_id, self.version));
        line(format_args!("s=-"));
        line(format_args!("t=0 0"));
        let ours = sections.iter().find(|section| section.ours);
        if let Some(mid) = ours.and_then(|section| section.mid.as_deref()) {
            line(format_args!("a=group:BUNDLE {mid}"));
        }
        for section in sections {
            if section.ours {
                line(format_args!("m=application 9 UDP/DTLS/SCTP webrtc-datachannel"));
            } else {
                // Port 0 refuses it (RFC 3264 §6); kind, protocol and formats are repeated.
                let mut fields = section.media.splitn(3, ' ');
                let (kind, rest) = (fields.next().unwrap_or("audio"), fields.nth(1).unwrap_or("RTP/AVP 0"));
                line(format_args!("m={kind} 0 {rest}"));
            }
            line(format_args!("c=IN IP4 0.0.0.0"));
            if let Some(mid) = &section.mid {
                line(format_args!("a=mid:{mid}"));
            }
            if !section.ours {
                line(format_args!("a=inactive"));
                continue;
            }
            line(format_args!("a=ice-ufrag:{}", self.ufrag));
            line(format_args!("a=ice-pwd:{}", self.pwd));
            line(format_args!("a=ice-options:trickle"));
            line(format_args!("a=fingerprint:{}", self.fingerprint));
            line(format_args!("a=setup:{}", self.setup.name()));
            line(format_args!("a=sctp-port:5000"));
            line(format_args!("a=max-message-size:{}", self.max_message_size));
            for candidate in &self.candidates {
                line(format_args!("a={candidate}"));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str =
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";

    /// As Chromium writes it.
    fn chromium() -> String {
        let text = "v=0\no=- 4611 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE 0\na=extmap-allow-mixed\n\
            a=msid-semantic: WMS\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\nc=IN IP4 0.0.0.0\n\
            a=candidate:1 1 udp 2113937151 0a1b.local 37026 typ host generation 0 network-cost 999\n\
            a=ice-ufrag:QNu1\na=ice-pwd:0123456789012345678901==\na=ice-options:trickle\n\
            a=fingerprint:sha-256 HEX\na=setup:actpass\na=mid:0\na=sctp-port:5000\na=max-message-size:262144\n";
        text.replace("HEX", HEX).replace('\n', "\r\n")
    }

    /// As Firefox writes it: much at session level, another order, another section before ours.
    fn firefox() -> String {
        let text = "v=0\no=mozilla 5 0 IN IP4 0.0.0.0\ns=-\nt=0 0\na=sendrecv\na=fingerprint:sha-256 HEX\n\
            a=group:BUNDLE a 1\na=ice-options:trickle\nm=audio 9 UDP/TLS/RTP/SAVPF 109 9\nc=IN IP4 0.0.0.0\n\
            a=mid:a\na=setup:actpass\na=ice-pwd:ffffffffffffffffffffffffffffffff\na=ice-ufrag:audi\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\nc=IN IP4 0.0.0.0\na=sendrecv\n\
            a=ice-pwd:0123456789abcdef0123456789abcdef\na=ice-ufrag:abcd1234\na=mid:1\na=setup:active\n\
            a=sctp-port:5001\na=max-message-size:1073741823\n";
        text.replace("HEX", HEX).replace('\n', "\r\n")
    }

    fn local(candidates: &[&str]) -> Local<'static> {
        Local {
            session_id: 7,
            version: 1,
            ufrag: "ufra",
            pwd: "0123456789012345678901",
            fingerprint: Fingerprint([0xab; 32]),
            setup: Setup::ActPass,
            max_message_size: 262_144,
            candidates: candidates.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn a_browsers_offer_is_read_whichever_it_is() {
        let chromium = Remote::parse(&chromium()).unwrap();
        let firefox = Remote::parse(&firefox()).unwrap();

        assert_eq!((chromium.ufrag.as_str(), chromium.setup), ("QNu1", Setup::ActPass));
        assert_eq!((chromium.sctp_port, chromium.max_message_size), (5000, 262_144));
        assert_eq!(candidates(&super::tests::chromium()).count(), 1);
        assert_eq!((firefox.ufrag.as_str(), firefox.setup), ("abcd1234", Setup::Active));
        assert_eq!((firefox.sctp_port, firefox.max_message_size), (5001, 1_073_741_823));
        assert_eq!(chromium.fingerprint, firefox.fingerprint);
    }

    #[test]
    fn what_we_write_we_read() {
        let sdp = local(&["candidate:1 1 udp 1 192.0.2.1 9 typ host"]).write(&[]);

        let read = Remote::parse(&sdp).unwrap();

        assert_eq!((read.ufrag.as_str(), read.setup), ("ufra", Setup::ActPass));
        assert_eq!(read.fingerprint, Fingerprint([0xab; 32]));
        assert!(candidates(&sdp).eq(["candidate:1 1 udp 1 192.0.2.1 9 typ host"]));
        assert_eq!(read.max_message_size, 262_144);
    }

    #[test]
    fn an_answer_repeats_the_sections_and_refuses_what_is_no_data() {
        let offer = Remote::parse(&firefox()).unwrap();

        let answer = local(&[]).write(&offer.sections);

        assert!(answer.contains("a=group:BUNDLE 1\r\n"));
        assert!(
            answer.contains(
                "m=audio 0 UDP/TLS/RTP/SAVPF 109 9\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\na=inactive\r\n"
            )
        );
        assert!(answer.find("m=audio") < answer.find("m=application"));
    }

    #[test]
    fn a_silent_description_means_64_kib_and_zero_no_limit() {
        assert_eq!(max_message_size(None), 65_536);
        assert_eq!(max_message_size(Some("0")), u32::MAX as usize);
        assert_eq!(max_message_size(Some("262144")), 262_144);
    }

    #[test]
    fn what_is_needed_is_named_when_it_is_missing() {
        let without = |key: &str| {
            let lines = chromium();
            let lines = lines.lines().filter(|line| !line.contains(key));
            Remote::parse(&lines.collect::<Vec<_>>().join("\n"))
        };

        assert!(matches!(without("m=application"), Err(SdpError::NoDataChannels)));
        assert!(matches!(without("ice-pwd"), Err(SdpError::Attribute("ice-pwd"))));
        assert!(matches!(without("fingerprint"), Err(SdpError::Attribute("fingerprint"))));
        assert!(without("sctp-port").is_ok_and(|remote| remote.sctp_port == 5000));
    }

    #[test]
    fn damaged_descriptions_do_not_panic() {
        let whole = firefox();
        for at in 0..whole.len() {
            let _ = Remote::parse(&whole[..at]).map(|remote| local(&[]).write(&remote.sections));
            let mut damaged = whole.clone().into_bytes();
            damaged[at] = b' ';
            let damaged = String::from_utf8(damaged).unwrap();
            let _ = Remote::parse(&damaged).map(|remote| local(&[]).write(&remote.sections));
        }
    }
}
