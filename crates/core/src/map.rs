//! Maps and sets whose keys are numbers, in the order of their keys.
//!
//! ```text
//! order     BTreeMap   number of a key -> place      one type for all, so its code is there once
//! entries   Vec        key, value                    in no order
//! ```
//!
//! A map of the standard library is compiled anew for every pair of types, 8 kB of the page each.
use crate::output::{BlockRef, FileIndex, TransferId};
use crate::rtc::LaneId;
use std::{collections::BTreeMap, fmt, mem};

/// What is a number, and equal where the number is.
pub trait Key: Copy {
    /// In the order of the keys.
    fn number(self) -> u128;
}

/// From numbers to values.
#[derive(Clone)]
pub struct Map<K, V> {
    order: BTreeMap<u128, u32>,
    entries: Vec<(K, V)>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { order: BTreeMap::new(), entries: Vec::new() }
    }
}

impl<K, V> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({})", self.entries.len())
    }
}

impl<K: Key, V> Map<K, V> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn place(&self, key: &K) -> Option<usize> {
        self.order.get(&key.number()).map(|place| *place as usize)
    }

    /// Whether a key is there.
    pub fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_some()
    }

    /// A key's value.
    pub fn get(&self, key: &K) -> Option<&V> {
        Some(&self.entries[self.place(key)?].1)
    }

    /// A key's value, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key)?;
        Some(&mut self.entries[place].1)
    }

    /// A key's value, made if it has none.
    pub fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let new = self.entries.len();
        let place = *self.order.entry(key.number()).or_insert(new as u32) as usize;
        if place == new {
            self.entries.push((key, value()));
        }
        &mut self.entries[place].1
    }

    /// Gives a key a value; returns the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.get_mut(&key) {
            Some(old) => Some(mem::replace(old, value)),
            None => {
                self.get_or_insert_with(key, || value);
                None
            }
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.order.remove(&key.number())?;
        let (_, value) = self.entries.swap_remove(place as usize);
        if let Some((moved, _)) = self.entries.get(place as usize) {
            self.order.insert(moved.number(), place);
        }
        Some(value)
    }

    /// Takes the first key out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let key = *self.keys().next()?;
        self.remove(&key).map(|value| (key, value))
    }

    /// Takes out what is not to stay.
    pub fn retain(&mut self, mut stays: impl FnMut(&K, &V) -> bool) {
        let leave: Vec<K> =
            self.iter().filter(|(key, value)| !stays(key, value)).map(|(key, _)| *key).collect();
        for key in leave {
            self.remove(&key);
        }
    }

    /// All of it, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.order.values().map(|place| {
            let (key, value) = &self.entries[*place as usize];
            (key, value)
        })
    }

    /// All keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Key, V: Default> Map<K, V> {
    /// A key's value, the default if it has none.
    pub fn get_or_default(&mut self, key: K) -> &mut V {
        self.get_or_insert_with(key, V::default)
    }
}

impl<K: Key, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

/// A set of numbers.
#[derive(Clone, Debug)]
pub struct Set<K>(Map<K, ()>);

impl<K> Default for Set<K> {
    fn default() -> Self {
        Self(Map::default())
    }
}

impl<K: Key> Set<K> {
    /// How many are in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key is in it.
    pub fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// Puts a key in; whether it was not there.
    pub fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }

    /// Takes a key out; whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }

    /// Takes the first out.
    pub fn pop_first(&mut self) -> Option<K> {
        self.0.pop_first().map(|(key, ())| key)
    }

    /// All of it, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.0.keys()
    }
}

impl Key for u8 {
    fn number(self) -> u128 {
        self.into()
    }
}

impl Key for u32 {
    fn number(self) -> u128 {
        self.into()
    }
}

impl Key for (u8, u16) {
    fn number(self) -> u128 {
        u128::from(self.0) << 16 | u128::from(self.1)
    }
}

impl Key for LaneId {
    fn number(self) -> u128 {
        self.0.into()
    }
}

impl Key for TransferId {
    fn number(self) -> u128 {
        self.0.into()
    }
}

impl Key for FileIndex {
    fn number(self) -> u128 {
        self.0.into()
    }
}

impl Key for BlockRef {
    fn number(self) -> u128 {
        self.transfer.number() << 64 | self.file.number() << 32 | u128::from(self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_does_what_the_standard_library_s_does(steps in prop::collection::vec((0u8..4, 0u32..20, 0u8..9), 0..200)) {
            let (mut map, mut expected) = (Map::new(), BTreeMap::new());
            for (what, key, value) in steps {
                match what {
                    0 => prop_assert_eq!(map.insert(key, value), expected.insert(key, value)),
                    1 => prop_assert_eq!(map.remove(&key), expected.remove(&key)),
                    2 => prop_assert_eq!(map.pop_first(), expected.pop_first()),
                    _ => {
                        map.retain(|_, kept| *kept != value);
                        expected.retain(|_, kept| *kept != value);
                    }
                }
                prop_assert_eq!(map.get(&key), expected.get(&key));
                prop_assert!(map.iter().eq(expected.iter()));
            }
        }
    }

    #[test]
    fn blocks_are_in_the_order_of_transfer_file_and_index() {
        let block =
            |transfer, file, index| BlockRef { transfer: TransferId(transfer), file: FileIndex(file), index };
        let mut blocks = [block(1, 0, 0), block(0, 1, 0), block(0, 0, u32::MAX), block(0, u32::MAX, 7)];

        blocks.sort_by_key(|block| block.number());

        assert!(blocks.is_sorted());
    }
}
