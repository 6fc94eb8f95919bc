//! How a frame's fields become CBOR.
//!
//! ```text
//! struct         map   number of the field -> its value      an absent Option is left out
//! u8 u32 u64     unsigned         String       text          Vec<u8>, [u8; N]   bytes
//! i64            integer          bool         simple        Vec of the others  array
//! enum           unsigned
//! ```
//!
//! Unknown numbers are skipped. The code for a struct only says which field a number is, because each is compiled into
//! the page: what a library derives is three times as much.
use minicbor::{Decoder, Encoder, data::Type, decode::Error, encode};
use std::convert::Infallible;

pub(crate) type Writer<'a> = Encoder<&'a mut Vec<u8>>;
pub(crate) type Written = Result<(), encode::Error<Infallible>>;
pub(crate) type Reader<'a> = Decoder<'a>;
pub(crate) type Read<T> = Result<T, Error>;

/// Whatever a frame, or a part of it, can be.
pub(crate) trait Field {
    /// Whether it is left out.
    fn is_absent(&self) -> bool {
        false
    }

    /// What it is where it was left out.
    fn absent() -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    fn write(&self, to: &mut Writer<'_>) -> Written;

    fn read(from: &mut Reader<'_>) -> Read<Self>
    where
        Self: Sized;
}

/// A field that is a map itself, or else what there can be several of.
pub(crate) trait Item: Field {}

/// Writes the fields that are there.
pub(crate) fn write_map(to: &mut Writer<'_>, fields: &[(u32, &dyn Field)]) -> Written {
    let there = || fields.iter().filter(|(_, field)| !field.is_absent());
    to.map(there().count() as u64)?;
    for (number, field) in there() {
        to.u32(*number)?;
        field.write(to)?;
    }
    Ok(())
}

/// Reads a map; `field` reads the value of a number, or says that it does not know it.
pub(crate) fn read_map(
    from: &mut Reader<'_>,
    field: &mut dyn FnMut(i64, &mut Reader<'_>) -> Read<bool>,
) -> Read<()> {
    let mut left = from.map()?;
    loop {
        match &mut left {
            Some(0) => return Ok(()),
            Some(left) => *left -= 1,
            None if from.datatype()? == Type::Break => return from.skip(),
            None => {}
        }
        let number = from.i64()?;
        if !field(number, from)? {
            from.skip()?;
        }
    }
}

/// What a reader found, in few words: those of the library are a tenth of what reads frames.
pub(crate) fn reason(error: &Error) -> &'static str {
    if error.is_end_of_input() {
        "it is cut short"
    } else if error.is_missing_value() {
        "a field is missing"
    } else if error.is_type_mismatch() {
        "a field is of another type"
    } else {
        "a field has no such value"
    }
}

/// Says which field of a struct has which number.
macro_rules! fields {
    ($name:ident { $($number:literal: $field:ident),* }) => {
        impl $crate::wire::fields::Field for $name {
            fn write(
                &self,
                to: &mut $crate::wire::fields::Writer<'_>,
            ) -> $crate::wire::fields::Written {
                $crate::wire::fields::write_map(to, &[$(($number, &self.$field)),*])
            }

            fn read(from: &mut $crate::wire::fields::Reader<'_>) -> $crate::wire::fields::Read<Self> {
                $(let mut $field = None;)*
                $crate::wire::fields::read_map(from, &mut |number, _from| match number {
                    $($number => {
                        $field = Some($crate::wire::fields::Field::read(_from)?);
                        Ok(true)
                    })*
                    _ => Ok(false),
                })?;
                Ok(Self { $($field: $crate::wire::fields::there($number, $field)?,)* })
            }
        }

        impl $crate::wire::fields::Item for $name {}
    };
}
pub(crate) use fields;

/// Says which number each variant has.
macro_rules! numbers {
    ($name:ident { $($number:literal: $variant:ident),* }) => {
        impl $crate::wire::fields::Field for $name {
            fn write(
                &self,
                to: &mut $crate::wire::fields::Writer<'_>,
            ) -> $crate::wire::fields::Written {
                let number: u32 = match self {
                    $(Self::$variant => $number,)*
                };
                number.write(to)
            }

            fn read(from: &mut $crate::wire::fields::Reader<'_>) -> $crate::wire::fields::Read<Self> {
                match u32::read(from)? {
                    $($number => Ok(Self::$variant),)*
                    other => Err(minicbor::decode::Error::unknown_variant(other.into())),
                }
            }
        }
    };
}
pub(crate) use numbers;

/// A field's value, or what it is where it was left out.
pub(crate) fn there<T: Field>(number: u32, read: Option<T>) -> Read<T> {
    read.or_else(T::absent).ok_or_else(|| Error::missing_value(number.into()))
}

macro_rules! simple {
    ($($type:ty: $method:ident,)*) => {$(
        impl Field for $type {
            fn write(&self, to: &mut Writer<'_>) -> Written {
                to.$method(*self)?;
                Ok(())
            }

            fn read(from: &mut Reader<'_>) -> Read<Self> {
                from.$method()
            }
        }
    )*};
}

simple!(u8: u8, u32: u32, u64: u64, i64: i64, bool: bool,);

impl Field for String {
    fn write(&self, to: &mut Writer<'_>) -> Written {
        to.str(self)?;
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        from.str().map(str::to_owned)
    }
}

impl Item for String {}

impl Field for Vec<u8> {
    fn write(&self, to: &mut Writer<'_>) -> Written {
        to.bytes(self)?;
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        from.bytes().map(<[u8]>::to_vec)
    }
}

impl Item for Vec<u8> {}

impl<const N: usize> Field for [u8; N] {
    fn write(&self, to: &mut Writer<'_>) -> Written {
        to.bytes(self)?;
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        from.bytes()?.try_into().map_err(|_| Error::message("bytes of another length"))
    }
}

impl<T: Item> Field for Vec<T> {
    fn write(&self, to: &mut Writer<'_>) -> Written {
        to.array(self.len() as u64)?;
        self.iter().try_for_each(|item| item.write(to))
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        let (mut items, len) = (Vec::new(), from.array()?);
        while match len {
            Some(len) => (items.len() as u64) < len,
            None => from.datatype()? != Type::Break,
        } {
            items.push(T::read(from)?);
        }
        if len.is_none() {
            from.skip()?; // the break
        }
        Ok(items)
    }
}

impl<T: Field> Field for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn write(&self, to: &mut Writer<'_>) -> Written {
        match self {
            Some(value) => value.write(to),
            None => Ok(()), // left out
        }
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        if from.datatype()? == Type::Null {
            from.skip()?;
            return Ok(None);
        }
        T::read(from).map(Some)
    }
}
