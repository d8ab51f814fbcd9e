//! H.264 films: Annex B byte streams cut into access units, one for each message. The built-in ones are in `assets/`.

use std::{ops::Range, path::Path, sync::LazyLock};

use bytes::Bytes;
use rtms_wire::codes::media::MediaResolution;

use crate::source::file::{ReadError, read_bounded};

/// A film: access units in the order of decoding, of which the first is a key frame with its parameter sets.
#[derive(Clone, PartialEq, Eq)]
pub struct Film {
    access_units: Vec<Bytes>,
}

/// Why a file is not a film that can be played.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// The file cannot be read, or is too large.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no start code in it.
    #[error(
        "no H.264 start code (00 00 01) in it: a film is an Annex B byte stream, as `ffmpeg -c:v copy -f h264` writes it"
    )]
    NotAnnexB,
    /// There is no picture in it.
    #[error("no picture in it")]
    NoPicture,
    /// Nobody could decode the first picture.
    #[error("the first picture is not a key frame with its parameter sets (SPS, PPS, IDR)")]
    NoKeyFrameFirst,
    /// It would take too much memory to play.
    #[error("more than {most} pictures in it")]
    TooManyPictures {
        /// The limit.
        most: usize,
    },
}

impl Film {
    /// A film from a file is at most this large, because it is held in memory: about ten minutes of HD at 1 Mbit/s.
    pub const MOST_BYTES: u64 = 64 << 20;

    /// A film from a file has at most so many pictures: more than two hours of them at 30 a second.
    pub const MOST_PICTURES: usize = 1 << 18;

    /// Reads an Annex B file.
    ///
    /// # Errors
    /// [`FilmError`] says what is wrong with the file.
    pub fn load(path: &Path) -> Result<Self, FilmError> {
        Self::from_annex_b(read_bounded(path, Self::MOST_BYTES)?.into())
    }

    /// Cuts an Annex B byte stream into access units.
    ///
    /// # Errors
    /// [`FilmError`] if there is no picture in it, or none that can be decoded first.
    pub fn from_annex_b(bytes: Bytes) -> Result<Self, FilmError> {
        let units = nal_units(&bytes);
        if units.is_empty() {
            return Err(FilmError::NotAnnexB);
        }
        let mut access_units = Vec::new();
        let mut begin = None;
        let mut has_picture = false;
        let mut first_kinds = Vec::new();
        for unit in &units {
            if has_picture && unit.begins_access_unit() {
                access_units.extend(begin.map(|begin| bytes.slice(begin..unit.range.start)));
                if access_units.len() > Self::MOST_PICTURES {
                    return Err(FilmError::TooManyPictures { most: Self::MOST_PICTURES });
                }
                (begin, has_picture) = (None, false);
            }
            begin = begin.or(Some(unit.range.start));
            has_picture |= unit.is_slice();
            if access_units.is_empty() {
                first_kinds.push(unit.kind);
            }
        }
        if has_picture {
            access_units.extend(begin.map(|begin| bytes.slice(begin..)));
        }
        if access_units.is_empty() {
            return Err(FilmError::NoPicture);
        }
        if ![SPS, PPS, IDR].iter().all(|kind| first_kinds.contains(kind)) {
            return Err(FilmError::NoKeyFrameFirst);
        }
        Ok(Self { access_units })
    }

    /// The film of somebody at a camera: in SD if that is asked for, otherwise in HD. There are four; who comes fifth
    /// looks like the first.
    pub fn of_person(person: usize, resolution: MediaResolution) -> &'static Self {
        by_size(resolution, &FILMS.persons[person % FILMS.persons.len()])
    }

    /// The film of a shared screen, in HD.
    pub fn of_slides() -> &'static Self {
        &FILMS.slides
    }

    /// One second that begins with a white picture.
    pub fn of_flash(resolution: MediaResolution) -> &'static Self {
        by_size(resolution, &FILMS.flash)
    }

    /// One second without a white picture.
    pub fn of_dark(resolution: MediaResolution) -> &'static Self {
        by_size(resolution, &FILMS.dark)
    }

    /// How many pictures it has; at least one.
    pub fn pictures(&self) -> usize {
        self.access_units.len()
    }

    /// The `index`th access unit; after the last the film starts again with its key frame.
    pub fn access_unit(&self, index: u64) -> Bytes {
        self.within(index, self.access_units.len() as u64)
    }

    /// The same, but started again every two seconds, as a camera sends key frames now and then.
    ///
    /// The length of the built-in films bounds the two seconds: at 30 pictures a second they last exactly that long.
    pub fn access_unit_of_two_seconds(&self, index: u64, pictures_per_second: u32) -> Bytes {
        self.within(index, u64::from(pictures_per_second.max(1)) * 2)
    }

    fn within(&self, index: u64, period: u64) -> Bytes {
        let period = period.min(self.access_units.len() as u64).max(1);
        usize::try_from(index % period).ok().and_then(|index| self.access_units.get(index)).cloned().unwrap_or_default()
    }
}

impl std::fmt::Debug for Film {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Film").field("pictures", &self.pictures()).finish_non_exhaustive()
    }
}

/// A film in two sizes.
type BothSizes = [Film; 2];

fn by_size(resolution: MediaResolution, [sd, hd]: &'static BothSizes) -> &'static Film {
    if resolution == MediaResolution::Sd { sd } else { hd }
}

struct BuiltIn {
    persons: [BothSizes; 4],
    slides: Film,
    flash: BothSizes,
    dark: BothSizes,
}

macro_rules! built_in {
    ($name:literal) => {
        Film::from_annex_b(Bytes::from_static(include_bytes!(concat!("../../assets/", $name, ".h264"))))
            .unwrap_or_else(|_| Film { access_units: Vec::new() })
    };
}

/// The films of `assets/`, cut when the first of them is shown.
static FILMS: LazyLock<BuiltIn> = LazyLock::new(|| BuiltIn {
    persons: [
        [built_in!("person_a_640x360"), built_in!("person_a_1280x720")],
        [built_in!("person_b_640x360"), built_in!("person_b_1280x720")],
        [built_in!("person_c_640x360"), built_in!("person_c_1280x720")],
        [built_in!("person_d_640x360"), built_in!("person_d_1280x720")],
    ],
    slides: built_in!("slides_1280x720"),
    flash: [built_in!("flash_640x360"), built_in!("flash_1280x720")],
    dark: [built_in!("dark_640x360"), built_in!("dark_1280x720")],
});

// Types of NAL units, ITU-T H.264 table 7-1.
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;

/// One NAL unit of a byte stream, its start code included.
struct NalUnit {
    range: Range<usize>,
    kind: u8,
    /// Whether it is the first slice of its picture.
    is_first_slice: bool,
}

impl NalUnit {
    fn is_slice(&self) -> bool {
        matches!(self.kind, 1..=IDR)
    }

    /// Whether an access unit that has its picture already ends before this one; ITU-T H.264 7.4.1.2.3.
    fn begins_access_unit(&self) -> bool {
        matches!(self.kind, SEI | SPS | PPS | DELIMITER | 14..=18) || self.is_slice() && self.is_first_slice
    }
}

/// Finds the NAL units of an Annex B byte stream.
fn nal_units(bytes: &[u8]) -> Vec<NalUnit> {
    let mut units: Vec<NalUnit> = Vec::new();
    for code in memchr::memmem::find_iter(bytes, &[0, 0, 1]) {
        // The longer start code has one zero more.
        let start = if code > 0 && bytes.get(code - 1) == Some(&0) { code - 1 } else { code };
        if let Some(last) = units.last_mut() {
            last.range.end = start;
        }
        let Some(header) = bytes.get(code + 3) else { break };
        // `first_mb_in_slice` comes first in a slice and is zero exactly if its first bit is set.
        let is_first_slice = bytes.get(code + 4).is_some_and(|byte| byte & 0x80 != 0);
        units.push(NalUnit { range: start..bytes.len(), kind: header & 0x1f, is_first_slice });
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(unit: &[u8]) -> Vec<u8> {
        nal_units(unit).iter().map(|unit| unit.kind).collect()
    }

    #[test]
    fn built_in_films_begin_with_their_only_key_frame() {
        let sizes = [MediaResolution::Sd, MediaResolution::Hd];
        let persons = sizes.map(|size| (0..4).map(move |person| (Film::of_person(person, size), 60)));
        let others = sizes.map(|size| [(Film::of_flash(size), 30), (Film::of_dark(size), 30)]);
        let all = persons.into_iter().flatten().chain(others.into_iter().flatten()).chain([(Film::of_slides(), 60)]);
        for (film, pictures) in all {
            assert_eq!(film.pictures(), pictures);
            for (index, unit) in film.access_units.iter().enumerate() {
                let expected: &[u8] = if index == 0 { &[DELIMITER, SPS, PPS, IDR] } else { &[DELIMITER, 1] };
                assert_eq!(kinds(unit), expected);
            }
        }
    }

    #[test]
    fn people_and_sizes_can_be_told_apart() {
        let mut films: Vec<_> = (0..4)
            .flat_map(|person| [MediaResolution::Sd, MediaResolution::Hd].map(|size| Film::of_person(person, size)))
            .map(|film| film.access_unit(0))
            .collect();
        films.sort();
        films.dedup();
        assert_eq!(films.len(), 8);
    }

    #[test]
    fn a_key_frame_comes_again_every_two_seconds() {
        let film = Film::of_person(0, MediaResolution::Hd);

        assert_eq!(film.access_unit_of_two_seconds(30, 15), film.access_unit(0));
        assert_eq!(film.access_unit_of_two_seconds(60, 30), film.access_unit(0));
        assert_ne!(film.access_unit_of_two_seconds(30, 30), film.access_unit(0));
    }

    #[test]
    fn a_stream_without_delimiters_is_cut_at_its_slices_and_loses_no_byte() {
        // Two slices make the first picture; the second has short start codes and a parameter set of its own.
        let stream = [
            &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 0x88, 3, 0, 0, 1, 0x65, 0x40, 4][..],
            &[0, 0, 1, 0x68, 5, 0, 0, 1, 0x41, 0x9a, 6],
            &[0, 0, 0, 1, 0x41, 0x9a, 7],
        ];

        let film = Film::from_annex_b(stream.concat().into()).unwrap();

        assert_eq!(film.access_units, stream);
        assert_eq!(film.access_unit(4), stream[1]);
    }

    #[test]
    fn what_cannot_be_played_is_refused_by_name() {
        let cut = |bytes: &'static [u8]| Film::from_annex_b(Bytes::from_static(bytes)).unwrap_err();

        assert!(matches!(cut(b"\x00\x00\x00\x18ftypmp42"), FilmError::NotAnnexB));
        assert!(matches!(cut(&[0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2]), FilmError::NoPicture));
        assert!(matches!(cut(&[0, 0, 1, 0x41, 0x9a, 6]), FilmError::NoKeyFrameFirst));
        let many = [&[0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 0x88][..]]
            .into_iter()
            .chain(std::iter::repeat_n(&[0, 0, 1, 0x41, 0x9a][..], Film::MOST_PICTURES + 1));
        let many = many.collect::<Vec<_>>().concat();
        assert!(matches!(Film::from_annex_b(many.into()).unwrap_err(), FilmError::TooManyPictures { .. }));
    }
}
