//! The public numbers of codes.
//!
//! A number is drawn at random from the shortest range of decimal lengths that is under 1 % full. So numbers
//! stay short to say, and somebody who tries them all meets an empty one in 99 of 100 tries.
use std::collections::HashSet;

/// Numbers in use.
#[derive(Debug, Default)]
pub(crate) struct Nameplates {
    used: HashSet<u32>,
    /// How many of `used` have 1, 2, … 9 digits.
    per_range: [u64; RANGES],
}

/// Up to nine digits: ten do not all fit 32 bits.
const RANGES: usize = 9;

impl Nameplates {
    /// Draws a free number; `None` if all ranges are full. `random` fills its argument.
    pub(crate) fn draw(&mut self, random: &mut dyn FnMut(&mut [u8])) -> Option<u32> {
        let digits = (0..RANGES).find(|&d| usable(self.per_range[d], size(d)))?;
        let first = 10u32.pow(digits as u32);
        loop {
            let number = first + below(size(digits), random);
            if self.used.insert(number) {
                self.per_range[digits] += 1;
                return Some(number);
            }
        }
    }

    /// Gives a number back.
    pub(crate) fn free(&mut self, number: u32) {
        if self.used.remove(&number) {
            self.per_range[number.ilog10() as usize] -= 1;
        }
    }
}

/// Under 1 % full, or empty: of nine numbers, one in use is already more than 1 %.
fn usable(used: u64, size: u32) -> bool {
    used == 0 || used * 100 < u64::from(size)
}

/// How many numbers have `digits + 1` digits.
fn size(digits: usize) -> u32 {
    9 * 10u32.pow(digits as u32)
}

/// A number below `end`, all equally likely: values in the incomplete last stretch of 32 bits are drawn again.
fn below(end: u32, random: &mut dyn FnMut(&mut [u8])) -> u32 {
    let whole = u32::MAX - u32::MAX % end;
    loop {
        let mut bytes = [0; 4];
        random(&mut bytes);
        let value = u32::from_le_bytes(bytes);
        if value < whole {
            return value % end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }

    #[test]
    fn numbers_are_as_short_as_one_percent_allows() {
        let mut nameplates = Nameplates::default();

        let drawn: Vec<u32> = (0..200).map(|_| nameplates.draw(&mut os).unwrap()).collect();

        // One of nine, one of ninety (1 % is 0.9), nine of nine hundred, ninety of nine thousand, then longer.
        let digits = |d: u32| drawn.iter().filter(|n| n.ilog10() + 1 == d).count();
        assert_eq!([1, 2, 3, 4, 5].map(digits), [1, 1, 9, 90, 99]);
        assert!(!drawn.contains(&0));
    }

    #[test]
    fn a_number_given_back_makes_its_range_usable_again() {
        let mut nameplates = Nameplates::default();
        let first = nameplates.draw(&mut os).unwrap();
        assert!(first <= 9);

        nameplates.free(first);
        nameplates.free(first);

        assert!(nameplates.draw(&mut os).unwrap() <= 9);
        assert!(nameplates.draw(&mut os).unwrap() >= 10);
    }

    #[test]
    fn every_number_of_a_range_is_drawn() {
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            seen.insert(Nameplates::default().draw(&mut os).unwrap());
        }
        assert_eq!(seen.len(), 9);
    }
}
