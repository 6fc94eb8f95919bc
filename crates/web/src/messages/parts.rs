//! A message as bytes, for the one wasm that is at both ends.
//!
//! ```text
//! number     little-endian                 Option   0, or 1 and the value
//! bool       0 or 1                        struct   field after field
//! String     len u32, UTF-8                enum     number u8, then the variant's fields
//! Vec        len u32, value after value
//! ```

/// What a message is made of.
pub(crate) trait Part: Sized {
    fn put(&self, to: &mut Vec<u8>);

    /// Takes it from the front; `None` where that is something else.
    fn take(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Part for $type {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, f64);

impl Part for bool {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(*self).put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u8::take(from).map(|byte| byte != 0)
    }
}

impl Part for String {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u32).put(to);
        to.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let len = u32::take(from)?;
        let (text, rest) = from.split_at_checked(len as usize)?;
        *from = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

impl<T: Part> Part for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        if bool::take(from)? { T::take(from).map(Some) } else { Some(None) }
    }
}

impl<T: Part> Part for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u32).put(to);
        self.iter().for_each(|value| value.put(to));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let len = u32::take(from)?;
        (0..len).map(|_| T::take(from)).collect()
    }
}

/// Names the fields of a struct, or the variants of an enum with theirs.
macro_rules! parts {
    (struct $name:ident { $($field:ident),* }) => {
        impl Part for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $(self.$field.put(to);)*
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: Part::take(from)?),* })
            }
        }
    };
    (enum $name:ident { $($number:literal: $variant:ident $({ $($field:ident),* })? $(($value:ident))?,)* }) => {
        impl Part for $name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field),* })? $(($value))? => {
                        to.push($number);
                        $($($field.put(to);)*)?
                        $($value.put(to);)?
                    })*
                }
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(match u8::take(from)? {
                    $($number => {
                        $(let $value = Part::take(from)?;)?
                        Self::$variant $({ $($field: Part::take(from)?),* })? $(($value))?
                    })*
                    _ => return None,
                })
            }
        }
    };
}
pub(super) use parts;

#[cfg(test)]
mod tests {
    use super::{
        super::{Ended, Entry, Failure, Offer, ToPage},
        *,
    };

    #[test]
    fn what_is_put_is_taken_and_nothing_is_left() {
        let entry = Entry { path: "a/é".into(), size: Some(1 << 40), folder: false };
        let offer = Offer {
            transfer: 7,
            files: 2,
            folders: 0,
            bytes: None,
            entries: vec![entry.clone(), Entry { size: None, folder: true, ..entry }],
            save_as: String::new(),
            archive: true,
            text: false,
        };
        let messages = [
            ToPage::Ready,
            ToPage::Offered(offer.clone()),
            ToPage::Failed { transfer: 1, failure: Failure::Session { ended: Ended::WrongCode { left: 2 } } },
        ];

        let mut bytes = Vec::new();
        messages.iter().for_each(|message| message.put(&mut bytes));

        let mut rest = &bytes[..];
        assert!(matches!(ToPage::take(&mut rest), Some(ToPage::Ready)));
        assert!(matches!(ToPage::take(&mut rest), Some(ToPage::Offered(taken)) if taken == offer));
        let ended = Ended::WrongCode { left: 2 };
        assert!(matches!(
            ToPage::take(&mut rest),
            Some(ToPage::Failed { transfer: 1, failure: Failure::Session { ended: taken } }) if taken == ended
        ));
        assert!(rest.is_empty());
    }

    #[test]
    fn what_is_cut_short_or_no_message_is_none() {
        let mut bytes = Vec::new();
        ToPage::Code { code: "7-guitar-sunset".into() }.put(&mut bytes);

        for len in 0..bytes.len() {
            assert!(ToPage::take(&mut &bytes[..len]).is_none());
        }
        assert!(ToPage::take(&mut &[255][..]).is_none());
    }
}
