//! Counters, which go no further than their type.

use crate::data::Data;
use crate::error::SessionError;
use crate::fields::Shape;
use crate::stored::Stored;

/// What is added to a counter.
#[derive(Clone, Debug)]
pub(crate) struct Add {
    pub(crate) field: String,
    pub(crate) by: i64,
    /// What the sum must not be beyond: below it for a step down, above it for a step up.
    pub(crate) bound: Option<i64>,
}

const DOWN: [i64; 5] = [
    i64::MIN,
    i32::MIN as i64,
    i16::MIN as i64,
    i8::MIN as i64,
    0,
];
const UP: [i64; 7] = [
    i64::MAX,
    u32::MAX as i64,
    i32::MAX as i64,
    u16::MAX as i64,
    i16::MAX as i64,
    u8::MAX as i64,
    i8::MAX as i64,
];

impl Add {
    /// Where the types of numbers end in its direction, the widest first.
    fn furthest(&self) -> &'static [i64] {
        match self.by < 0 {
            true => &DOWN,
            false => &UP,
        }
    }

    /// Where a type of somebody's own ends, from a value that it holds: it holds all up to there.
    fn search(&self, now: i64, holds: impl Fn(i64) -> bool) -> i64 {
        let (mut held, mut refused) = (now, if self.by < 0 { i64::MIN } else { i64::MAX });
        while held.abs_diff(refused) > 1 {
            let middle = held.midpoint(refused);
            match holds(middle) {
                true => held = middle,
                false => refused = middle,
            }
        }
        held
    }
}

/// Whether what is to be written is a `T`, whatever its counters are; where their type is a narrow one, the server is told how far they may go.
pub(crate) fn bound<T: Data>(
    adds: &mut [Add],
    (shape, id): (&Shape, &[u8; 16]),
    stored: &Stored,
) -> Result<(), SessionError> {
    let with = |add: &Add, value: i64, stored: &mut Stored| {
        stored.insert(&add.field, value.to_string().into());
    };
    let mut far = stored.clone();
    for add in &*adds {
        let widest = if add.by < 0 { i64::MIN } else { i64::MAX };
        with(add, widest, &mut far);
    }
    if shape.read::<T>(id, &far).is_ok() {
        return Ok(());
    }
    shape.read::<T>(id, stored)?;
    for add in adds {
        let holds = |value: i64| {
            let mut held = stored.clone();
            with(add, value, &mut held);
            shape.read::<T>(id, &held).is_ok()
        };
        let known = add.furthest().iter().copied().find(|end| holds(*end));
        add.bound = known.or_else(|| {
            let now = stored.get(add.field.as_bytes())?;
            let now = std::str::from_utf8(now).ok()?.parse().ok()?;
            Some(add.search(now, holds))
        });
    }
    Ok(())
}

/// That a sum would be further than that.
pub(crate) fn beyond(adds: &[Add]) -> SessionError {
    let each = adds
        .iter()
        .map(|add| format!("`{}` by {}", add.field, add.by));
    let all: Vec<String> = each.collect();
    SessionError::data(format!(
        "a counter would be what its type does not hold: {}",
        all.join(", ")
    ))
}
