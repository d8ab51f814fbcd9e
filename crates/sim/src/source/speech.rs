//! Speech-like sound: no words, but the pitch, syllables, formants and pauses of somebody talking.
//!
//! A glottal pulse and some breath go through three resonators (the classical source and filter). Only additions,
//! multiplications and divisions are used, no library sine, so the same seed gives the same samples on every machine.

use crate::seed::Seed;

/// Loudest sample of an utterance; three people can talk at once without clipping.
const PEAK: f64 = 10_000.0;

/// Parameters of the filters move this many times a second, as often as a mouth does.
const CONTROL_HZ: u32 = 200;

/// Formants of vowels in hertz: a, e, i, o, u, ə, ɛ.
const VOWELS: [[f64; 3]; 7] = [
    [760.0, 1220.0, 2540.0],
    [430.0, 2020.0, 2600.0],
    [290.0, 2240.0, 2950.0],
    [450.0, 830.0, 2430.0],
    [320.0, 800.0, 2240.0],
    [500.0, 1480.0, 2480.0],
    [580.0, 1790.0, 2500.0],
];

/// Bandwidths of the three formants in hertz.
const BANDWIDTHS: [f64; 3] = [70.0, 100.0, 140.0];

/// How one person sounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    pitch_hz: f64,
    formant_scale: f64,
    breath: f64,
}

impl Voice {
    /// A voice from a seed: between a low and a high one.
    pub fn new(mut seed: Seed) -> Self {
        let height = seed.signed_unit();
        Self {
            pitch_hz: 155.0 + 65.0 * height,
            // Higher voices come from shorter throats.
            formant_scale: 1.03 + 0.08 * height,
            breath: 0.04 + 0.02 * seed.signed_unit(),
        }
    }

    /// Says something of a given length.
    ///
    /// Mono samples, exactly `duration_ms * rate_hz / 1000` of them. `syllables` is about how many of them are said.
    pub fn speak(&self, mut seed: Seed, duration_ms: u64, syllables: u64, rate_hz: u32) -> Vec<i16> {
        let count = usize::try_from(duration_ms * u64::from(rate_hz) / 1000).unwrap_or(usize::MAX);
        let segments = segments(&mut seed, syllables.max(1), duration_ms as f64 / 1000.0);
        let samples = self.render(&mut seed, &segments, count, rate_hz);

        let loudest = samples.iter().fold(1e-9_f64, |loudest, sample| loudest.max(sample.abs()));
        samples.iter().map(|sample| (sample / loudest * PEAK) as i16).collect()
    }

    fn render(&self, seed: &mut Seed, segments: &[Segment], count: usize, rate_hz: u32) -> Vec<f64> {
        let rate = f64::from(rate_hz);
        let control_step = (rate_hz / CONTROL_HZ).max(1) as usize;
        let length = count as f64 / rate;
        let mut resonators = [Resonator::default(); 3];
        let mut formants = VOWELS[5];
        let (mut phase, mut pitch, mut loudness, mut hiss) = (0.0_f64, self.pitch_hz, 0.0_f64, 0.0_f64);
        let mut last_noise = 0.0;
        let mut current = 0;
        let mut out = Vec::with_capacity(count);

        for n in 0..count {
            if n % control_step == 0 {
                let t = n as f64 / rate;
                while segments.get(current + 1).is_some_and(|next| next.start <= t) {
                    current += 1;
                }
                let Some(segment) = segments.get(current) else { break };
                let within = ((t - segment.start) / segment.length).clamp(0.0, 1.0);
                // An arch over the segment, and the fall of the voice over the sentence.
                let arch = 4.0 * within * (1.0 - within);
                let fall = 1.12 - 0.24 * t / length.max(1e-3);
                let wanted_pitch = self.pitch_hz * fall * (1.0 + segment.accent * arch);
                pitch += 0.25 * (wanted_pitch - pitch);
                loudness += 0.35 * (segment.voiced * (0.35 + 0.65 * arch) - loudness);
                hiss += 0.45 * (segment.hiss - hiss);
                for ((resonator, formant), (target, bandwidth)) in
                    resonators.iter_mut().zip(formants.iter_mut()).zip(segment.formants.iter().zip(BANDWIDTHS))
                {
                    *formant += 0.22 * (target * self.formant_scale - *formant);
                    resonator.tune(*formant, bandwidth, rate);
                }
            }

            phase += pitch / rate;
            if phase >= 1.0 {
                // A little unsteadiness, as no throat is a clock.
                phase -= 1.0 + 0.006 * seed.signed_unit();
            }
            let noise = seed.signed_unit();
            let source = loudness * (glottal(phase) + self.breath * noise);
            let voiced = resonators.iter_mut().fold(source, |sound, resonator| resonator.filter(sound));
            // The difference of neighbouring noise samples is a crude high-pass: an s rather than a wind.
            out.push(voiced + 0.12 * hiss * (noise - last_noise));
            last_noise = noise;
        }
        out
    }
}

/// A pure tone of 1 kHz, as loud as speech: what goes with a flash to measure sync by.
///
/// Mono samples, exactly `duration_ms * rate_hz / 1000` of them; every rate of Zoom has a whole number of samples in a
/// period.
pub fn beep(duration_ms: u64, rate_hz: u32) -> Vec<i16> {
    let count = usize::try_from(duration_ms * u64::from(rate_hz) / 1000).unwrap_or(usize::MAX);
    let period = (rate_hz / 1000).max(1);
    let wave = |n: u32| {
        // A sine from the cosine of half a turn: rises from zero at the very first sample.
        let angle = (2.0 * f64::from(n) / f64::from(period) - 0.5) * std::f64::consts::PI;
        let folded = if angle > std::f64::consts::PI { 2.0 * std::f64::consts::PI - angle } else { angle.abs() };
        (cos_up_to_pi(folded) * PEAK) as i16
    };
    let one: Vec<i16> = (0..period).map(wave).collect();
    one.iter().copied().cycle().take(count).collect()
}

/// A stretch of speech with one position of the mouth.
#[derive(Clone, Debug)]
struct Segment {
    start: f64,
    length: f64,
    formants: [f64; 3],
    voiced: f64,
    hiss: f64,
    accent: f64,
}

/// Consonants, vowels and pauses that fill `seconds` exactly.
fn segments(seed: &mut Seed, syllables: u64, seconds: f64) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut until_pause = seed.between(2, 4);
    let mut push = |length: f64, formants: [f64; 3], voiced: f64, hiss: f64, accent: f64| {
        segments.push(Segment { start: 0.0, length, formants, voiced, hiss, accent });
    };
    for _ in 0..syllables {
        let vowel = *seed.pick(&VOWELS).unwrap_or(&VOWELS[0]);
        match seed.below(4) {
            0 => push(0.06 + 0.02 * seed.signed_unit(), vowel, 0.05, 0.8, 0.0),
            1 => push(0.05 + 0.02 * seed.signed_unit(), [260.0, 1300.0, 2300.0], 0.45, 0.0, 0.0),
            2 => push(0.05 + 0.01 * seed.signed_unit(), vowel, 0.0, 0.15, 0.0),
            _ => {}
        }
        push(0.15 + 0.05 * seed.signed_unit(), vowel, 1.0, 0.0, 0.12 * seed.signed_unit());
        until_pause -= 1;
        if until_pause == 0 {
            until_pause = seed.between(2, 5);
            push(0.07 + 0.04 * seed.signed_unit(), VOWELS[5], 0.0, 0.0, 0.0);
        }
    }

    let total: f64 = segments.iter().map(|segment| segment.length).sum();
    let mut start = 0.0;
    for segment in &mut segments {
        segment.length *= seconds / total;
        segment.start = start;
        start += segment.length;
    }
    segments
}

/// One period of the throat, phase from 0 to 1: opens slowly, shuts fast, stays shut.
fn glottal(phase: f64) -> f64 {
    const OPEN: f64 = 0.62;
    if (0.0..OPEN).contains(&phase) {
        let x = phase / OPEN;
        // The slope of x² - x³, which is what leaves the lips.
        2.0 * x - 3.0 * x * x
    } else {
        0.0
    }
}

/// A second-order resonance at one formant.
#[derive(Clone, Copy, Debug, Default)]
struct Resonator {
    a: f64,
    b: f64,
    c: f64,
    y1: f64,
    y2: f64,
}

impl Resonator {
    fn tune(&mut self, formant_hz: f64, bandwidth_hz: f64, rate_hz: f64) {
        // Nothing can ring above half the sampling rate.
        let formant_hz = formant_hz.min(rate_hz * 0.46);
        let decay = exp_of_small_negative(-std::f64::consts::PI * bandwidth_hz / rate_hz);
        self.c = -decay * decay;
        self.b = 2.0 * decay * cos_up_to_pi(2.0 * std::f64::consts::PI * formant_hz / rate_hz);
        self.a = 1.0 - self.b - self.c;
    }

    fn filter(&mut self, x: f64) -> f64 {
        let y = self.a * x + self.b * self.y1 + self.c * self.y2;
        self.y2 = self.y1;
        self.y1 = y;
        y
    }
}

/// e^x for -0.5 < x ≤ 0 by its series.
fn exp_of_small_negative(x: f64) -> f64 {
    1.0 + x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0)))))
}

/// cos x for 0 ≤ x ≤ π by the series of the half angle, exact to better than one part in a million.
fn cos_up_to_pi(x: f64) -> f64 {
    let half_squared = (x / 2.0) * (x / 2.0);
    let cos_half = 1.0
        - half_squared / 2.0
            * (1.0
                - half_squared / 12.0
                    * (1.0 - half_squared / 30.0 * (1.0 - half_squared / 56.0 * (1.0 - half_squared / 90.0))));
    2.0 * cos_half * cos_half - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn energy(samples: &[i16]) -> f64 {
        samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / samples.len().max(1) as f64
    }

    #[test]
    fn every_rate_gives_exactly_its_number_of_samples() {
        let voice = Voice::new(Seed::new(3));

        for rate_hz in [8_000, 16_000, 32_000, 48_000] {
            let samples = voice.speak(Seed::new(5), 1_480, 6, rate_hz);
            assert_eq!(samples.len(), 1_480 * rate_hz as usize / 1000);
            assert!(samples.iter().any(|&s| s.unsigned_abs() > 9_000));
        }
    }

    #[test]
    fn loudness_rises_and_falls_as_syllables_do() {
        let samples = Voice::new(Seed::new(3)).speak(Seed::new(5), 2_000, 8, 16_000);

        let frames: Vec<f64> = samples.chunks(320).map(energy).collect();
        let loud = frames.iter().filter(|&&e| e > 1e6).count();
        let quiet = frames.iter().filter(|&&e| e < 1e5).count();
        assert!(loud > 20, "{loud} loud frames of {}", frames.len());
        assert!(quiet > 5, "{quiet} quiet frames of {}", frames.len());
    }

    #[test]
    fn a_beep_is_a_sine_of_one_kilohertz() {
        for rate_hz in [8_000, 16_000, 32_000, 48_000] {
            let samples = beep(100, rate_hz);
            assert_eq!(samples.len(), rate_hz as usize / 10);
            for (n, &sample) in samples.iter().enumerate() {
                let turn = n as f64 * 1_000.0 / f64::from(rate_hz) * 2.0 * std::f64::consts::PI;
                assert!((turn.sin() * PEAK - f64::from(sample)).abs() < 2.0, "{rate_hz}: sample {n} is {sample}");
            }
        }
    }

    #[test]
    fn the_small_series_agree_with_the_library() {
        for step in 0..=100 {
            let x = std::f64::consts::PI * f64::from(step) / 100.0;
            assert!((cos_up_to_pi(x) - x.cos()).abs() < 2e-6, "cos {x}");
            let x = -0.4 * f64::from(step) / 100.0;
            assert!((exp_of_small_negative(x) - x.exp()).abs() < 1e-6, "exp {x}");
        }
    }
}
