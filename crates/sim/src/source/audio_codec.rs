//! PCM into the payloads that Zoom can send: L16, G.711 A-law and, with the feature `opus`, Opus.

/// Packs samples as L16: signed 16 bits, little-endian, channels interleaved if there are two.
pub fn l16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// Packs samples as G.711 A-law, a byte a sample.
pub fn a_law(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|&sample| a_law_byte(sample)).collect()
}

/// One sample of ITU-T G.711 A-law: sign, three bits of exponent, four of mantissa, even bits inverted.
fn a_law_byte(sample: i16) -> u8 {
    // A-law keeps 13 bits; the sign bit is set for positive numbers.
    let (sign, magnitude) = if sample >= 0 { (0x80_u8, sample >> 3) } else { (0, !sample >> 3) };
    let exponent = (0..7).rev().find(|e| magnitude >> (e + 5) & 1 == 1).map_or(0, |e| e + 1);
    let mantissa = if exponent == 0 { magnitude >> 1 } else { magnitude >> exponent } & 0x0f;
    let code = u8::try_from((exponent << 4) | mantissa).unwrap_or(0x7f);
    (sign | code) ^ 0x55
}

/// Encodes one speaker's sound into raw Opus packets, one per message, each decodable after the ones before it.
#[cfg(feature = "opus")]
pub struct OpusPackets {
    encoder: opus_pure::OpusEncoder,
    channels: usize,
}

#[cfg(feature = "opus")]
impl OpusPackets {
    /// An encoder for 48 kHz, the only rate that Zoom's matrix has for Opus; `None` for other than one or two channels.
    pub fn new(channels: u16) -> Option<Self> {
        let channels = usize::from(channels);
        let mut encoder = opus_pure::OpusEncoder::new(48_000, channels, opus_pure::Application::Voip).ok()?;
        encoder.bitrate_bps = 32_000;
        // The simulator shares its machine with the client it tests.
        encoder.complexity = 2;
        Some(Self { encoder, channels })
    }

    /// One packet from interleaved samples that make up a frame of Opus (20 ms here); empty if they do not.
    pub fn encode(&mut self, samples: &[i16]) -> Vec<u8> {
        let mut packet = vec![0; opus_pure::MAX_PACKET_BYTES];
        let length = self.encoder.encode_s16(samples, samples.len() / self.channels, &mut packet).unwrap_or(0);
        packet.truncate(length);
        packet
    }
}

#[cfg(feature = "opus")]
impl std::fmt::Debug for OpusPackets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusPackets").field("channels", &self.channels).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l16_is_little_endian() {
        assert_eq!(l16(&[1, -2]), [1, 0, 0xfe, 0xff]);
    }

    #[test]
    fn a_law_has_the_values_of_the_standard() {
        // Silence, the smallest steps and the loudest samples of ITU-T G.711, as every telephone has them.
        assert_eq!(a_law(&[0, -1, 8, i16::MAX, i16::MIN]), [0xd5, 0x55, 0xd5, 0xaa, 0x2a]);
    }

    #[cfg(feature = "opus")]
    #[test]
    fn opus_packets_decode_to_as_many_samples() {
        let voice = crate::source::speech::Voice::new(crate::seed::Seed::new(1));
        let samples = voice.speak(crate::seed::Seed::new(2), 200, 2, 48_000);
        let mut packets = OpusPackets::new(1).unwrap();
        let mut decoder = opus_pure::OpusDecoder::new(48_000, 1).unwrap();
        let mut out = vec![0i16; 960];

        for frame in samples.chunks(960) {
            let packet = packets.encode(frame);
            assert!(packet.len() > 2);
            assert_eq!(decoder.decode_s16(&packet, 960, &mut out).unwrap(), 960);
        }
    }
}
