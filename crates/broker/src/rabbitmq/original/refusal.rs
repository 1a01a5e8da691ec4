//! What a broker says of a thing by refusing to declare it otherwise.
//!
//! AMQP has no question for what a queue or exchange is like. But whoever declares one that is there in another way is told
//! what it is: `PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is
//! 'false'`. The same words in `RabbitMQ` 3.8 to 4.x.

use crate::rabbitmq::broken::Broken;

/// In what a thing differs from what was declared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference<'a> {
    /// The property or argument.
    pub(super) of: &'a str,
    /// How it is; `None` for an argument that it does not have.
    pub(super) current: Option<&'a str>,
}

impl<'a> Difference<'a> {
    /// Reads it from the broker's words; `None` when they say something else.
    pub(super) fn told(text: &'a str) -> Option<Self> {
        let (of, rest) = text.split_once("inequivalent arg '")?.1.split_once('\'')?;
        let (_, current) = rest.rsplit_once("but current is ")?;
        let current = current.split_once('\'').and_then(|(_, value)| value.split_once('\'')).map(|(value, _)| value);
        Some(Self { of, current })
    }
}

/// Why a broker refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such thing.
    NotFound,
    /// It is there, and otherwise.
    Otherwise,
    /// Somebody else has it for himself, as a queue or as a consumer.
    InUse,
    /// The user may not do this.
    Forbidden,
    /// The broker does not do this.
    NotOffered,
}

impl Refusal {
    /// Why the broker refused; `None` when it did not, because something else went wrong.
    pub(super) fn of(broken: &Broken) -> Option<Self> {
        Some(match broken.code? {
            404 => Self::NotFound,
            406 => Self::Otherwise,
            405 => Self::InUse,
            403 if broken.text.contains("exclusive") => Self::InUse,
            403 | 530 => Self::Forbidden,
            540 | 541 => Self::NotOffered,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_tells_what_is_otherwise() {
        let told = |text| Difference::told(text).map(|difference| (difference.of, difference.current));
        assert_eq!(
            told(
                "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'a-queue' in vhost '/': received 'true' but current is 'false'"
            ),
            Some(("durable", Some("false")))
        );
        assert_eq!(
            told(
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 's-q' in vhost '/': received none but current is \
                 the value 'stream' of type 'longstr'"
            ),
            Some(("x-queue-type", Some("stream")))
        );
        assert_eq!(
            told(
                "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'but current is' in vhost '/': received the value \
                 '-1' of type 'byte' but current is none"
            ),
            Some(("x-max-length", None))
        );
        assert_eq!(told("PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'q' in vhost '/': {value_negative,-1}"), None);
    }
}
