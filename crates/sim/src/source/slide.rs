//! Still pictures with readable text: slides that somebody shares, cards that stand for a camera.

use font8x8::UnicodeFonts;
use rtms_wire::codes::media::MediaResolution;

use crate::source::jpeg;

/// Colours of a picture by index: paper, ink, band, second ink.
type Palette = [[u8; 3]; 4];

const PAPER: u8 = 0;
const INK: u8 = 1;
const BAND: u8 = 2;
const FAINT: u8 = 3;

/// Pixels along the side of a block. Everything is drawn in blocks, which is what makes the pictures cheap.
const BLOCK: usize = 8;

/// The colours of the dark pictures between two flashes.
const DARK: Palette = [[12, 12, 16], [150, 150, 160], [40, 40, 48], [110, 110, 120]];

/// A picture of few colours, drawn in blocks of 8×8 pixels of one colour: an index into the palette each, row by row.
#[derive(Clone, Debug)]
pub struct Slide {
    /// In blocks.
    width: u16,
    /// In blocks.
    height: u16,
    blocks: Vec<u8>,
    palette: Palette,
}

impl Slide {
    /// Draws a title, some lines below it and a number in the corner, in colours that follow from `hue`.
    ///
    /// Characters that the built-in font lacks (it has Latin, Greek, hiragana) become question marks; what does not fit
    /// is cut off.
    pub fn draw(resolution: MediaResolution, hue: u64, title: &str, lines: &[String], frame: u64) -> Self {
        let mut slide = Self::blank(resolution, palette(hue));
        let (columns, rows) = (usize::from(slide.width), usize::from(slide.height));
        slide.fill(0, 0, columns, 10, BAND);
        slide.write(1, 1, PAPER, title);
        for (row, line) in lines.iter().enumerate() {
            slide.write(1, 12 + 10 * row, INK, line);
        }
        slide.write(1, rows.saturating_sub(11), FAINT, &format!("#{frame}"));
        // A bar that moves with the frames, so that a still picture and a stuck one can be told apart at a glance.
        let step = usize::try_from(frame % 32).unwrap_or(0) * columns / 32;
        slide.fill(step, rows.saturating_sub(2), columns / 32 + 1, 2, BAND);
        slide
    }

    /// The same in dark colours: what is shown between two flashes.
    pub fn dark(mut self) -> Self {
        self.palette = DARK;
        self
    }

    /// A picture that is white all over: the flash that goes with a beep.
    pub fn white(resolution: MediaResolution) -> Self {
        Self::blank(resolution, [[255; 3]; 4])
    }

    fn blank(resolution: MediaResolution, palette: Palette) -> Self {
        let (width, height) = match resolution {
            MediaResolution::Sd => (640, 360),
            MediaResolution::Hd | MediaResolution::Unknown(_) => (1280, 720),
            MediaResolution::Fhd => (1920, 1080),
            MediaResolution::Qhd => (2560, 1440),
        };
        let (columns, rows) = (width / BLOCK, height / BLOCK);
        Self {
            width: u16::try_from(columns).unwrap_or(u16::MAX),
            height: u16::try_from(rows).unwrap_or(u16::MAX),
            blocks: vec![PAPER; columns * rows],
            palette,
        }
    }

    /// The picture as JPEG.
    pub fn to_jpeg(&self) -> Vec<u8> {
        jpeg::encode_flat_blocks(self.width, self.height, &self.blocks, &self.palette)
    }

    /// The picture as PNG.
    pub fn to_png(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.write_png(&mut out) {
            Ok(()) => out,
            // Writing to memory fails only for a picture without pixels, which `draw` does not make.
            Err(_) => Vec::new(),
        }
    }

    fn write_png(&self, out: &mut Vec<u8>) -> Result<(), png::EncodingError> {
        let side = BLOCK as u32;
        let mut encoder = png::Encoder::new(out, u32::from(self.width) * side, u32::from(self.height) * side);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(self.palette.concat());
        encoder.set_compression(png::Compression::Fast);
        let mut pixels = Vec::with_capacity(self.blocks.len() * BLOCK * BLOCK);
        for row in self.blocks.chunks(usize::from(self.width)) {
            let line: Vec<u8> = row.iter().flat_map(|index| [*index; BLOCK]).collect();
            for _ in 0..BLOCK {
                pixels.extend_from_slice(&line);
            }
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()
    }

    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: u8) {
        for row in self.blocks.chunks_mut(usize::from(self.width)).skip(y).take(height) {
            for block in row.iter_mut().skip(x).take(width) {
                *block = colour;
            }
        }
    }

    fn write(&mut self, x: usize, y: usize, colour: u8, text: &str) {
        for (column, character) in text.chars().enumerate() {
            for (dy, bits) in glyph(character).iter().enumerate() {
                for dx in (0..8).filter(|dx| bits >> dx & 1 == 1) {
                    self.fill(x + column * 8 + dx, y + dy, 1, 1, colour);
                }
            }
        }
    }
}

fn glyph(character: char) -> [u8; 8] {
    font8x8::BASIC_FONTS
        .get(character)
        .or_else(|| font8x8::LATIN_FONTS.get(character))
        .or_else(|| font8x8::GREEK_FONTS.get(character))
        .or_else(|| font8x8::HIRAGANA_FONTS.get(character))
        .or_else(|| font8x8::BASIC_FONTS.get('?'))
        .unwrap_or_default()
}

fn palette(hue: u64) -> Palette {
    const BANDS: [[u8; 3]; 6] =
        [[32, 80, 160], [150, 50, 60], [30, 120, 80], [120, 70, 150], [160, 100, 20], [20, 110, 130]];
    let band = usize::try_from(hue % BANDS.len() as u64).ok().and_then(|i| BANDS.get(i)).copied().unwrap_or(BANDS[0]);
    [[250, 248, 240], [30, 30, 40], band, [120, 120, 130]]
}

#[cfg(test)]
mod tests {
    use zune_jpeg::{JpegDecoder, zune_core::bytestream::ZCursor};

    use super::*;

    #[test]
    fn both_formats_show_the_same_picture() {
        let slide = Slide::draw(MediaResolution::Hd, 1, "Budget", &["first".to_owned(), "second".to_owned()], 12);

        let jpeg = JpegDecoder::new(ZCursor::new(&slide.to_jpeg()[..])).decode().unwrap();
        let png_bytes = slide.to_png();
        let mut png = png::Decoder::new(std::io::Cursor::new(&png_bytes));
        png.set_transformations(png::Transformations::EXPAND);
        let mut png = png.read_info().unwrap();
        let mut pixels = vec![0; png.output_buffer_size().unwrap()];
        png.next_frame(&mut pixels).unwrap();
        assert_eq!(jpeg.len(), 1280 * 720 * 3);
        assert!(jpeg.iter().zip(&pixels).all(|(a, b)| a.abs_diff(*b) <= 3));
        assert!(slide.blocks.contains(&INK));
    }

    #[test]
    fn two_frames_differ() {
        let draw = |frame| Slide::draw(MediaResolution::Sd, 1, "Budget", &[], frame).to_jpeg();

        assert_ne!(draw(1), draw(2));
    }
}
