//! Still pictures with readable text: slides that somebody shares, cards that stand for a camera.

use font8x8::UnicodeFonts;
use rtms_wire::codes::media::MediaResolution;

/// Colours of a picture by index: paper, ink, band, second ink.
type Palette = [[u8; 3]; 4];

const PAPER: u8 = 0;
const INK: u8 = 1;
const BAND: u8 = 2;
const FAINT: u8 = 3;

/// A picture of few colours: a byte a pixel, an index into the palette, row by row from the top.
#[derive(Clone, Debug)]
pub struct Slide {
    width: u16,
    height: u16,
    pixels: Vec<u8>,
    palette: Palette,
}

impl Slide {
    /// Draws a title, some lines below it and a number in the corner, in colours that follow from `hue`.
    ///
    /// Characters that the built-in font lacks (it has Latin, Greek, box drawing, hiragana) become question marks.
    pub fn draw(resolution: MediaResolution, hue: u64, title: &str, lines: &[String], frame: u64) -> Self {
        // The resolution is an upper wish; nothing above HD is sent, because a slide has no more to show.
        let (width, height, scale) = if resolution == MediaResolution::Sd { (640u16, 360u16, 2) } else { (1280u16, 720u16, 4) };
        let mut slide = Self {
            width,
            height,
            pixels: vec![PAPER; usize::from(width) * usize::from(height)],
            palette: palette(hue),
        };
        let unit = 8 * scale;
        slide.fill(0, 0, usize::from(width), unit * 3, BAND);
        slide.write(unit, unit, scale, PAPER, title);
        for (row, line) in lines.iter().enumerate() {
            slide.write(unit, unit * (5 + 2 * row), scale, INK, line);
        }
        let number = format!("frame {frame}");
        let bottom = usize::from(height) - unit * 2;
        slide.write(unit, bottom, scale, FAINT, &number);
        // A bar that moves with the frames, so that a still picture and a stuck one can be told apart at a glance.
        let step = usize::try_from(frame % 64).unwrap_or(0) * (usize::from(width) - unit * 2) / 64;
        slide.fill(step, usize::from(height) - unit / 2, unit * 2, unit / 2, BAND);
        slide
    }

    /// The picture as JPEG.
    pub fn to_jpeg(&self) -> Vec<u8> {
        let rgb: Vec<u8> = self.pixels.iter().flat_map(|&index| self.colour(index)).collect();
        let mut out = Vec::new();
        // Writing to memory fails only for a picture without pixels, which `draw` does not make.
        let encoder = jpeg_encoder::Encoder::new(&mut out, 75);
        match encoder.encode(&rgb, self.width, self.height, jpeg_encoder::ColorType::Rgb) {
            Ok(()) => out,
            Err(_) => Vec::new(),
        }
    }

    /// The picture as PNG.
    pub fn to_png(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.write_png(&mut out) {
            Ok(()) => out,
            Err(_) => Vec::new(),
        }
    }

    fn write_png(&self, out: &mut Vec<u8>) -> Result<(), png::EncodingError> {
        let mut encoder = png::Encoder::new(out, self.width.into(), self.height.into());
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(self.palette.concat());
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()
    }

    fn colour(&self, index: u8) -> [u8; 3] {
        self.palette.get(usize::from(index)).copied().unwrap_or_default()
    }

    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: u8) {
        let stride = usize::from(self.width);
        for row in self.pixels.chunks_mut(stride).skip(y).take(height) {
            for pixel in row.iter_mut().skip(x).take(width) {
                *pixel = colour;
            }
        }
    }

    fn write(&mut self, x: usize, y: usize, scale: usize, colour: u8, text: &str) {
        for (column, character) in text.chars().enumerate() {
            let glyph = glyph(character);
            for (dy, bits) in glyph.iter().enumerate() {
                for dx in (0..8).filter(|dx| bits >> dx & 1 == 1) {
                    self.fill(x + (column * 8 + dx) * scale, y + dy * scale, scale, scale, colour);
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
    const BANDS: [[u8; 3]; 6] = [[32, 80, 160], [150, 50, 60], [30, 120, 80], [120, 70, 150], [160, 100, 20], [20, 110, 130]];
    let band = usize::try_from(hue % BANDS.len() as u64).ok().and_then(|i| BANDS.get(i)).copied().unwrap_or(BANDS[0]);
    [[250, 248, 240], [30, 30, 40], band, [120, 120, 130]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_say_what_they_are() {
        let slide = Slide::draw(MediaResolution::Sd, 1, "Budget", &["first".to_owned(), "second".to_owned()], 12);

        assert_eq!(slide.to_jpeg()[..3], [0xff, 0xd8, 0xff]);
        assert_eq!(slide.to_png()[..4], [0x89, b'P', b'N', b'G']);
        assert!(slide.pixels.contains(&INK));
    }

    #[test]
    fn two_frames_differ() {
        let draw = |frame| Slide::draw(MediaResolution::Hd, 1, "Budget", &[], frame).to_png();

        assert_ne!(draw(1), draw(2));
    }
}
