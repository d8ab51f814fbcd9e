//! Payloads that are not media but say which they are: for runs in which only the conversation matters.

/// What stands in for one payload of media: 16 bytes that nothing else in the meeting has.
///
/// Layout: a letter for the medium, a 1 for a key frame or else a 0, the participant and the slot in big-endian, the
/// seed in big-endian (1, 1, 2, 4 and 8 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// `A` for sound, `V` for a camera, `S` for a shared screen.
    pub medium: u8,
    /// Whether a picture could be decoded without another one.
    pub is_key_frame: bool,
    /// Whose, as an index into the meeting's participants; [`Self::MIXED`] for everybody's sound.
    pub participant: u16,
    /// Which packet or picture of the grid; its time is the slot's. Counts modulo 2³².
    pub slot: u32,
    /// The seed of the meeting.
    pub seed: u64,
}

impl Marker {
    /// Stands for everybody's sound mixed.
    pub const MIXED: u16 = u16::MAX;

    /// The payload.
    pub fn to_bytes(self) -> [u8; 16] {
        let [p1, p0] = self.participant.to_be_bytes();
        let [s3, s2, s1, s0] = self.slot.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = self.seed.to_be_bytes();
        [self.medium, u8::from(self.is_key_frame), p1, p0, s3, s2, s1, s0, a, b, c, d, e, f, g, h]
    }

    /// Reads a payload back; none if it is no marker.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let &[medium, key, p1, p0, s3, s2, s1, s0, a, b, c, d, e, f, g, h] = bytes else { return None };
        (matches!(medium, b'A' | b'V' | b'S') && key < 2).then_some(Self {
            medium,
            is_key_frame: key == 1,
            participant: u16::from_be_bytes([p1, p0]),
            slot: u32::from_be_bytes([s3, s2, s1, s0]),
            seed: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_comes_back_from_its_bytes() {
        let marker = Marker { medium: b'V', is_key_frame: true, participant: 3, slot: 70_000, seed: 1 << 40 };

        assert_eq!(Marker::from_bytes(&marker.to_bytes()), Some(marker));
        assert_eq!(Marker::from_bytes(&[0; 16]), None);
        assert_eq!(Marker::from_bytes(&[]), None);
    }
}
