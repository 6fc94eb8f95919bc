//! Cameras and microphones of this device.
use crate::{browser, page::window};
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{MediaDeviceInfo, MediaDeviceKind, MediaStream, MediaStreamConstraints, MediaStreamTrack};

/// What a call is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::page) enum Kind {
    Camera = 0,
    Microphone = 1,
}

impl Kind {
    pub(in crate::page) const BOTH: [Kind; 2] = [Kind::Camera, Kind::Microphone];

    /// The `kind` of its MediaStreamTrack.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Camera => "video",
            Self::Microphone => "audio",
        }
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) label: String,
}

/// Opens a device, any or this one. The error is a DOMException, or a text where there is nothing to ask.
pub(super) async fn open(kind: Kind, device: Option<&str>) -> Result<MediaStreamTrack, JsValue> {
    let devices = window().navigator().media_devices().ok().filter(|devices| !devices.is_undefined());
    // Over plain http a browser has no devices at all.
    let devices = devices.ok_or_else(|| JsValue::from("insecure"))?;
    let wanted = Object::new();
    let set = |name: &str, value: &JsValue| _ = Reflect::set(&wanted, &name.into(), value);
    let exactly = |how: &str, value: JsValue| {
        let object = Object::new();
        let _ = Reflect::set(&object, &how.into(), &value);
        JsValue::from(object)
    };
    if let Some(id) = device {
        set("deviceId", &exactly("exact", id.into()));
    }
    let constraints = MediaStreamConstraints::new();
    match kind {
        // Enough to see each other beside a transfer, which needs the line and the processor, too.
        Kind::Camera => {
            set("width", &exactly("ideal", 640.into()));
            set("height", &exactly("ideal", 480.into()));
            set("frameRate", &exactly("ideal", 24.into()));
            constraints.set_video(&wanted);
        }
        Kind::Microphone => {
            set("echoCancellation", &true.into());
            set("noiseSuppression", &true.into());
            constraints.set_audio(&wanted);
        }
    }
    let stream: MediaStream =
        JsFuture::from(devices.get_user_media_with_constraints(&constraints)?).await?.unchecked_into();
    let track = stream.get_tracks().get(0);
    if track.is_undefined() { Err("NotFoundError".into()) } else { Ok(track.unchecked_into()) }
}

/// All of them, by name: browsers tell the names once one of them was allowed.
pub(super) async fn list() -> Vec<Device> {
    let listed = async {
        let devices = window().navigator().media_devices()?;
        Ok::<_, JsValue>(Array::from(&JsFuture::from(devices.enumerate_devices()?).await?))
    };
    let Ok(listed) = listed.await else { return Vec::new() };
    let devices = listed.iter().filter_map(|device| {
        let device: MediaDeviceInfo = device.unchecked_into();
        let kind = match device.kind() {
            MediaDeviceKind::Videoinput => Kind::Camera,
            MediaDeviceKind::Audioinput => Kind::Microphone,
            _ => return None,
        };
        Some(Device { kind, id: device.device_id(), label: device.label() })
    });
    devices.filter(|device| !device.id.is_empty()).collect()
}

/// Which of them a track comes from, where the browser says.
pub(super) fn id(track: &MediaStreamTrack) -> Option<String> {
    browser::property(&track.get_settings(), "deviceId")?.as_string()
}

/// Why a device could not be opened.
pub(super) fn why(error: &JsValue) -> String {
    error.as_string().unwrap_or_else(|| browser::kind(error))
}
