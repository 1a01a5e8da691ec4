//! What is measured about readings and devices.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::{counter::Counter, family::Family};

/// What became of a reading, as a label. `Accepted` and `Rejected` are counted where readings come in, the rest here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ReadingResult {
    /// Answered with 202, repeats included.
    #[expect(non_camel_case_types, reason = "the variant's name is the label's value")]
    accepted,
    /// Refused for a bad field.
    #[expect(non_camel_case_types, reason = "the variant's name is the label's value")]
    rejected,
    /// Decided to be late.
    #[expect(non_camel_case_types, reason = "the variant's name is the label's value")]
    late,
    /// Decided to be a repeat.
    #[expect(non_camel_case_types, reason = "the variant's name is the label's value")]
    duplicate,
    /// Put into the dead letters.
    #[expect(non_camel_case_types, reason = "the variant's name is the label's value")]
    parked,
}

/// The label of `fieldwatch_readings_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReadingLabel {
    /// What became of it.
    pub result: ReadingResult,
}

/// What is measured about readings and devices. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// `fieldwatch_readings_total{result}`.
    pub readings: Family<ReadingLabel, Counter>,
    /// `fieldwatch_device_panics_total`: turns of a device that panicked.
    pub panics: Counter,
}
