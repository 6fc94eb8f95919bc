//! How the connection goes: straight, or through a relay.
use super::Rtc;
use crate::browser;
use js_sys::{Array, Map, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// What the nominated pair of candidates says of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::page) enum Path {
    /// From device to device.
    Direct,
    /// Through a TURN server; this side's transport to it (`udp`, `tcp`, `tls`) where it is this side's.
    Relay(Option<String>),
}

impl Rtc {
    /// Reads it from the statistics of connection 0; nothing while no pair is nominated.
    pub(in crate::page) async fn path(&self) -> Option<Path> {
        let pc = self.0.lanes.borrow().get(&(0, 0)).map(|lane| lane.pc.clone())?;
        let report = JsFuture::from(pc.get_stats()).await.ok()?;
        let all = Array::from(&report.unchecked_ref::<Map>().values());
        let text = |stat: &JsValue, name: &str| browser::property(stat, name).and_then(|v| v.as_string());
        let by_id = |id: &str| all.iter().find(|stat| text(stat, "id").as_deref() == Some(id));
        // Chromium's transport names the pair, Firefox marks it.
        let named = all.iter().find_map(|stat| text(&stat, "selectedCandidatePairId"));
        let pair = match named {
            Some(id) => by_id(&id),
            None => all.iter().find(|stat| {
                text(stat, "type").as_deref() == Some("candidate-pair")
                    && Reflect::get(stat, &"selected".into()).is_ok_and(|selected| selected.is_truthy())
            }),
        }?;
        let end = |name: &str| text(&pair, name).and_then(|id| by_id(&id));
        let (local, remote) = (end("localCandidateId")?, end("remoteCandidateId")?);
        let relayed = |candidate: &JsValue| text(candidate, "candidateType").as_deref() == Some("relay");
        Some(match (relayed(&local), relayed(&remote)) {
            (false, false) => Path::Direct,
            (true, _) => Path::Relay(text(&local, "relayProtocol")),
            (false, true) => Path::Relay(None),
        })
    }
}
