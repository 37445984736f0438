//! What of its record a dead letter carries: less each time that the topic says that it will never take it as it was.

use crate::kafka::Refusal;

/// What is left out, or made up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// It has the time at which it is sent.
    pub(super) without_timestamp: bool,
    /// If its record has no key, its key says where that stood: a compacted topic takes nothing without one.
    pub(super) needs_key: bool,
    pub(super) parts: Parts,
}

/// As much of a record as fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Parts {
    #[default]
    All,
    WithoutValue,
    /// No value, no headers but ours, and its key says where its record stood.
    Bare,
}

/// What to do with a letter that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing is wrong with it: it is sent again after a pause.
    Again,
    /// It is sent like this, at once.
    Send(Form),
    /// There is nothing left to leave out.
    GiveUp,
}

impl Form {
    /// What to do when a letter of this form was refused.
    pub(super) fn after(self, refusal: Option<Refusal>) -> Next {
        match refusal {
            None => Next::Again,
            Some(Refusal::OtherRecord) => Next::Send(self),
            // That is our clock, or the broker's.
            Some(Refusal::Timestamp) if self.without_timestamp => Next::Again,
            Some(Refusal::Timestamp) => Next::Send(Self { without_timestamp: true, ..self }),
            Some(Refusal::Record) if !(self.without_timestamp && self.needs_key) => {
                Next::Send(Self { without_timestamp: true, needs_key: true, ..self })
            }
            Some(Refusal::TooLarge | Refusal::Record) => self.with_less(),
        }
    }

    fn with_less(self) -> Next {
        match self.parts {
            Parts::All => Next::Send(Self { parts: Parts::WithoutValue, ..self }),
            Parts::WithoutValue => Next::Send(Self { parts: Parts::Bare, ..self }),
            Parts::Bare => Next::GiveUp,
        }
    }

    pub(super) fn without_value(self) -> bool {
        self.parts >= Parts::WithoutValue
    }

    pub(super) fn is_bare(self) -> bool {
        self.parts == Parts::Bare
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent when it is refused like this, one after the other, and what comes of it.
    fn after(refusals: &[Refusal]) -> (Form, Next) {
        let mut form = Form::default();
        for &refusal in refusals {
            match form.after(Some(refusal)) {
                Next::Send(next) => form = next,
                next => return (form, next),
            }
        }
        (form, Next::Send(form))
    }

    #[test]
    fn what_is_not_the_letters_fault_is_tried_again_as_it_is() {
        let form = Form { parts: Parts::WithoutValue, ..Form::default() };
        assert_eq!(form.after(None), Next::Again);
        assert_eq!(form.after(Some(Refusal::OtherRecord)), Next::Send(form));
    }

    #[test]
    fn a_timestamp_that_is_refused_is_left_out_and_that_of_now_is_tried_for_ever() {
        let (form, next) = after(&[Refusal::Timestamp; 2]);
        assert_eq!(form, Form { without_timestamp: true, ..Form::default() });
        assert_eq!(next, Next::Again);
    }

    #[test]
    fn what_is_too_large_goes_without_its_value_then_without_anything_and_then_not_at_all() {
        let [one, two] = [1, 2].map(|times| after(&[Refusal::TooLarge].repeat(times)).0);
        assert_eq!(one, Form { parts: Parts::WithoutValue, ..Form::default() });
        assert_eq!(two, Form { parts: Parts::Bare, ..one });
        assert_eq!(after(&[Refusal::TooLarge; 3]), (two, Next::GiveUp));
    }

    #[test]
    fn a_record_that_is_refused_gets_a_key_and_the_time_before_anything_else_goes() {
        let (form, _) = after(&[Refusal::Record]);
        assert_eq!(form, Form { without_timestamp: true, needs_key: true, ..Form::default() });
        let (form, _) = after(&[Refusal::Timestamp, Refusal::Record, Refusal::TooLarge]);
        assert!(form.needs_key && form.parts == Parts::WithoutValue);
        assert_eq!(after(&[Refusal::Record; 4]).1, Next::GiveUp);
        assert_eq!(
            after(&[Refusal::TooLarge, Refusal::TooLarge, Refusal::Record]).1,
            Next::Send(Form { without_timestamp: true, needs_key: true, parts: Parts::Bare })
        );
    }
}
