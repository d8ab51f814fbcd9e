//! JPEG for pictures whose 8×8 blocks are each of one colour.
//!
//! Such a block is one number per component, so there is nothing to transform and the picture costs next to nothing; a
//! meeting's worth of slides must not take the machine away from the client that is tested with them. The result is
//! plain baseline JPEG (ITU-T T.81), exact to the rounding of colours.

/// Puts bits into bytes, the first bit highest, with the stuffing that JPEG wants after 0xFF.
struct Bits {
    out: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, length: u32) {
        self.pending = self.pending << length | value;
        self.count += length;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.pending >> self.count) as u8;
            self.out.push(byte);
            if byte == 0xff {
                self.out.push(0);
            }
        }
    }
}

/// Writes a picture of `width` × `height` blocks: `blocks` are indices into `colours` (RGB), row by row.
pub(super) fn encode_flat_blocks(width: u16, height: u16, blocks: &[u8], colours: &[[u8; 3]]) -> Vec<u8> {
    let colours: Vec<[i32; 3]> = colours.iter().map(|rgb| ycbcr(*rgb)).collect();
    let mut bits = Bits { out: headers(width * 8, height * 8), pending: 0, count: 0 };
    let mut last = [0_i32; 3];
    for index in blocks {
        let colour = colours.get(usize::from(*index)).copied().unwrap_or_default();
        for (value, last) in colour.into_iter().zip(&mut last) {
            put_difference(&mut bits, value - *last);
            // The one code of the AC table: the rest of the block is zero.
            bits.put(0, 1);
            *last = value;
        }
    }
    // The last byte is filled with ones.
    bits.put(0x7f, 7);
    bits.out.extend([0xff, 0xd9]);
    bits.out
}

/// A DC difference: four bits that say how many bits follow, then those.
fn put_difference(bits: &mut Bits, difference: i32) {
    let length = 32 - difference.unsigned_abs().leading_zeros();
    bits.put(length, 4);
    // Negative numbers are written as one less in two's complement.
    let value = if difference < 0 { difference - 1 } else { difference } as u32;
    bits.put(value & ((1 << length) - 1), length);
}

fn ycbcr([r, g, b]: [u8; 3]) -> [i32; 3] {
    let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
    // JFIF's conversion in thousandths. Components are centred on zero, as coefficients are.
    let y = (299 * r + 587 * g + 114 * b + 500) / 1000 - 128;
    let cb = (-169 * r - 331 * g + 500 * b) / 1000;
    let cr = (500 * r - 419 * g - 81 * b) / 1000;
    [y, cb, cr]
}

fn headers(width: u16, height: u16) -> Vec<u8> {
    let [w1, w0] = width.to_be_bytes();
    let [h1, h0] = height.to_be_bytes();
    let mut out = vec![0xff, 0xd8];
    out.extend([0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
    // A DC coefficient is eight times its block's value, so a step of eight keeps the value itself.
    out.extend([0xff, 0xdb, 0, 67, 0]);
    out.extend([8; 64]);
    out.extend([0xff, 0xc0, 0, 17, 8, h1, h0, w1, w0, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    // DC table: the lengths 0 to 8, four bits each.
    out.extend([0xff, 0xc4, 0, 28, 0x00, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(0..9);
    // AC table: the end of the block, one bit.
    out.extend([0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    out
}

#[cfg(test)]
mod tests {
    use zune_jpeg::{JpegDecoder, zune_core::bytestream::ZCursor};

    use super::*;

    #[test]
    fn every_block_decodes_to_its_colour() {
        let colours = [[250, 248, 240], [0, 0, 0], [255, 255, 255], [200, 30, 40], [20, 110, 230]];
        let blocks: Vec<u8> = (0..6 * 4).map(|n| (n % 5) as u8).collect();

        let bytes = encode_flat_blocks(6, 4, &blocks, &colours);

        let mut decoder = JpegDecoder::new(ZCursor::new(&bytes[..]));
        let pixels = decoder.decode().unwrap();
        let info = decoder.info().unwrap();
        assert_eq!((info.width, info.height), (48, 32));
        for (n, rgb) in pixels.chunks(3).enumerate() {
            let block = (n / 48 / 8) * 6 + n % 48 / 8;
            let wanted = colours[usize::from(blocks[block])];
            assert!(rgb.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 3), "{rgb:?} for {wanted:?}");
        }
    }
}
