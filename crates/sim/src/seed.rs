//! The only source of chance in the simulator: numbers that follow from a seed, the same on every machine.

/// A stream of numbers that follows from one seed.
///
/// Whoever needs chance forks a stream of its own by name, so that a new use in one place does not move all the others.
/// The generator is SplitMix64: tiny, good enough for meetings, and of no use for secrets.
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// Starts a stream.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream for one purpose; the same name and number always give the same stream, however far this one has run.
    pub fn fork(&self, purpose: &str, number: u64) -> Self {
        let mut hash = self.0 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in purpose.bytes() {
            // FNV-1a, then one step of the generator below to spread the bits.
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(Self(hash).number())
    }

    /// The next number, anywhere in 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number below `limit`; zero if there is none.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number().checked_rem(limit).unwrap_or(0)
    }

    /// The next number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True once in `times` on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// The next number from -1 to 1.
    pub fn signed_unit(&mut self) -> f64 {
        // 53 bits, because that is what an `f64` holds exactly.
        (self.number() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// One of the items, or nothing if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(items.len() as u64)).ok()?;
        items.get(index)
    }

    /// `digits` characters of lower-case hex.
    pub fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.number()));
        }
        text.truncate(digits);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_does_not_depend_on_how_far_its_parent_has_run() {
        let fresh = Seed::new(7);
        let child = fresh.fork("voice", 1).number();

        assert_eq!(Seed::new(7).fork("voice", 1).number(), child);
        assert_ne!(fresh.fork("voice", 2).number(), child);
        assert_ne!(fresh.fork("face", 1).number(), child);
    }

    #[test]
    fn a_signed_unit_stays_within_its_bounds() {
        let mut seed = Seed::new(1);

        assert!((0..10_000).map(|_| seed.signed_unit()).all(|x| (-1.0..=1.0).contains(&x)));
    }
}
