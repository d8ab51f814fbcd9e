//! PCM into the payloads that Zoom can send: L16, G.711 A-law, G.722 and, with the feature `opus`, Opus.
//!
//! For `content_type` 1 (RTP) the same payloads are sent: whether Zoom puts an RTP header before them is not
//! documented.

use audio_codec::Encoder as _;

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

/// Encodes one speaker's sound as G.722 at 64 kbit/s: two samples of 16 kHz mono a byte, the lower band in the low six
/// bits.
pub struct G722Packets(audio_codec::g722::G722Encoder);

impl G722Packets {
    /// An encoder that has heard nothing yet.
    pub fn new() -> Self {
        Self(audio_codec::g722::G722Encoder::new())
    }

    /// One packet, half as many bytes as samples; decodable after the ones before it.
    pub fn encode(&mut self, samples: &[i16]) -> Vec<u8> {
        let mut packet = vec![0; self.0.max_encode_bytes(samples.len())];
        let length = self.0.encode_into(samples, &mut packet).unwrap_or(0);
        packet.truncate(length);
        packet
    }
}

impl Default for G722Packets {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for G722Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("G722Packets").finish_non_exhaustive()
    }
}

/// Encodes one speaker's sound into raw Opus packets, one per message, each decodable after the ones before it.
///
/// The same sound gives the same packets on one machine. Between processors of different kinds they may differ in their
/// last bits, because the encoder calculates with floating-point vectors; all other media is the same everywhere.
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

    #[test]
    fn the_same_seed_gives_these_bytes_on_every_machine() {
        let voice = crate::source::speech::Voice::new(crate::seed::Seed::new(1));
        let sound = |rate_hz| voice.speak(crate::seed::Seed::new(2), 400, 3, rate_hz);
        let sum = |bytes: &[u8]| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
            digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>()
        };

        let rates = [8_000, 16_000, 32_000, 48_000].map(|rate_hz| sum(&l16(&sound(rate_hz))));
        assert_eq!(rates, ["301a7df6", "9cfee7d5", "b4faef02", "bd95488d"]);
        assert_eq!(sum(&a_law(&sound(8_000))), "c18fd810");
        assert_eq!(sum(&G722Packets::new().encode(&sound(16_000))), "a0d53f99");
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
