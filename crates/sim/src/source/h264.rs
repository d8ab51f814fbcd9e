//! H.264 clips made by ffmpeg (`assets/make.sh`), cut into access units.

use rtms_wire::codes::media::MediaResolution;

static SPEAKER_SD: &[u8] = include_bytes!("../../assets/speaker_640x360.h264");
static SPEAKER_HD: &[u8] = include_bytes!("../../assets/speaker_1280x720.h264");
static SLIDES_HD: &[u8] = include_bytes!("../../assets/slides_1280x720.h264");

/// A short film: Annex B access units, of which the first is a key frame with its parameter sets and no later one is.
#[derive(Clone, Debug)]
pub struct Clip {
    access_units: Vec<&'static [u8]>,
}

impl Clip {
    /// The film of somebody at a camera, in the size that was asked for or the next smaller one there is.
    pub fn of_speaker(resolution: MediaResolution) -> Self {
        Self::cut(if resolution == MediaResolution::Sd { SPEAKER_SD } else { SPEAKER_HD })
    }

    /// The film of a shared screen.
    pub fn of_slides() -> Self {
        Self::cut(SLIDES_HD)
    }

    /// The `index`th access unit since the last key frame; the film starts again with a key frame every two seconds.
    ///
    /// The length of the film bounds the two seconds: at 30 pictures a second it lasts exactly that long.
    pub fn access_unit(&self, index: u64, frames_per_second: u32) -> &'static [u8] {
        let period = u64::from(frames_per_second.max(1) * 2).min(self.access_units.len() as u64).max(1);
        usize::try_from(index % period).ok().and_then(|index| self.access_units.get(index)).copied().unwrap_or_default()
    }

    fn cut(film: &'static [u8]) -> Self {
        /// An access unit delimiter with its start code: how every picture of the clips begins.
        const DELIMITER: [u8; 5] = [0, 0, 0, 1, 9];
        let mut starts: Vec<usize> = film
            .windows(DELIMITER.len())
            .enumerate()
            .filter(|(_, bytes)| *bytes == DELIMITER)
            .map(|(at, _)| at)
            .collect();
        starts.push(film.len());
        let access_units = starts.windows(2).filter_map(|pair| film.get(*pair.first()?..*pair.get(1)?)).collect();
        Self { access_units }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_begin_with_a_key_frame_and_lose_no_byte() {
        for (clip, film) in [
            (Clip::of_speaker(MediaResolution::Sd), SPEAKER_SD),
            (Clip::of_speaker(MediaResolution::Hd), SPEAKER_HD),
            (Clip::of_slides(), SLIDES_HD),
        ] {
            assert_eq!(clip.access_units.concat(), film);
            assert_eq!(clip.access_units.len(), 60);
            let first = clip.access_unit(0, 30);
            // Sequence parameter set (7) and IDR slice (5) are in the first picture and in no other.
            assert!(first.windows(4).any(|b| b[..3] == [0, 0, 1] && b[3] & 31 == 7));
            let keys =
                clip.access_units.iter().filter(|unit| unit.windows(4).any(|b| b[..3] == [0, 0, 1] && b[3] & 31 == 5));
            assert_eq!(keys.count(), 1);
        }
    }

    #[test]
    fn a_key_frame_comes_again_every_two_seconds() {
        let clip = Clip::of_speaker(MediaResolution::Hd);

        assert_eq!(clip.access_unit(30, 15), clip.access_unit(0, 15));
        assert_eq!(clip.access_unit(60, 30), clip.access_unit(0, 30));
        assert_ne!(clip.access_unit(30, 30), clip.access_unit(0, 30));
    }
}
