//! The walk over a message's fields: number, wire type, value (Protobuf's encoding guide, "Message Structure").

use super::WireError;

/// Groups nest at most this deep, as in prost.
const GROUP_DEPTH: u32 = 100;

/// A field's value as its wire type has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    /// Length-delimited: bytes, text, a message, a map's entry.
    Bytes(&'a [u8]),
    /// A group, skipped: no message of ours has one.
    Group,
    Fixed32(u32),
}

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// 1 to 2^29 - 1.
    pub number: u32,
    pub value: Value<'a>,
}

impl<'a> Field<'a> {
    /// The bytes of a length-delimited field.
    #[inline]
    pub fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::WireType { field: self.number }),
        }
    }

    /// The number of a varint field.
    #[inline]
    pub fn varint(&self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(WireError::WireType { field: self.number }),
        }
    }
}

/// What stands before a field's value: the value is still to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// 1 to 2^29 - 1.
    pub number: u32,
    wire_type: u32,
}

/// Walks a message's fields in the order sent. After an error it ends.
///
/// Two ways to walk: the iterator gives whole fields. Where every nanosecond counts, [`Fields::key`] and then one of `bytes`,
/// `varint` and `pass` leave a field's parts in registers: handing over a [`Field`] in memory, written in pieces and read
/// back in others, made up half of the time that checking an event took.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    /// Bytes not walked yet; with the message's length, where the next field begins.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next field's key, or `None` behind the last field. Its value is to be taken next.
    ///
    /// # Errors
    /// [`WireError`], here as below.
    #[inline(always)]
    pub fn key(&mut self) -> Result<Option<Key>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match self.any_key()? {
            // It would close a group that was never opened.
            Key { wire_type: 4, .. } => Err(WireError::Group),
            key => Ok(Some(key)),
        }
    }

    #[inline(always)]
    fn any_key(&mut self) -> Result<Key, WireError> {
        let key = u32::try_from(self.number()?).map_err(|_| WireError::Key)?;
        let (number, wire_type) = (key >> 3, key & 7);
        if number == 0 || wire_type > 5 { Err(WireError::Key) } else { Ok(Key { number, wire_type }) }
    }

    /// Takes the value of a length-delimited field.
    #[inline(always)]
    pub fn bytes(&mut self, key: Key) -> Result<&'a [u8], WireError> {
        if key.wire_type != 2 {
            return Err(WireError::WireType { field: key.number });
        }
        let length = self.number()?;
        self.take(length)
    }

    /// Takes the value of a varint field.
    #[inline(always)]
    pub fn varint(&mut self, key: Key) -> Result<u64, WireError> {
        if key.wire_type != 0 {
            return Err(WireError::WireType { field: key.number });
        }
        self.number()
    }

    /// Takes a value of any type and forgets it.
    #[inline]
    pub fn pass(&mut self, key: Key) -> Result<(), WireError> {
        self.value(key).map(|_| ())
    }

    #[inline]
    fn value(&mut self, key: Key) -> Result<Value<'a>, WireError> {
        Ok(match key.wire_type {
            0 => Value::Varint(self.number()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take_array()?)),
            2 => Value::Bytes(self.bytes(key)?),
            3 => {
                self.skip_group(key.number, GROUP_DEPTH)?;
                Value::Group
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take_array()?)),
            _ => return Err(WireError::Group),
        })
    }

    /// A varint.
    #[inline(always)]
    fn number(&mut self) -> Result<u64, WireError> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, high, rest @ ..] if *high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_number(),
        }
    }

    #[inline(never)]
    fn long_number(&mut self) -> Result<u64, WireError> {
        let mut number = 0;
        for (place, byte) in self.rest.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if *byte < 0x80 {
                // The tenth byte has room for one bit.
                if place == 9 && *byte > 1 {
                    return Err(WireError::Varint);
                }
                self.rest = &self.rest[place + 1..];
                return Ok(number);
            }
        }
        if self.rest.len() < 10 { Err(WireError::Truncated) } else { Err(WireError::Varint) }
    }

    #[inline(always)]
    fn take(&mut self, length: u64) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[cold]
    fn skip_group(&mut self, number: u32, depth: u32) -> Result<(), WireError> {
        if depth == 0 {
            return Err(WireError::Group);
        }
        loop {
            let key = self.any_key()?;
            match key.wire_type {
                3 => self.skip_group(key.number, depth - 1)?,
                4 if key.number == number => return Ok(()),
                _ => self.pass(key)?,
            }
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let field = match self.key() {
            Ok(Some(key)) => self.value(key).map(|value| Field { number: key.number, value }),
            Ok(None) => return None,
            Err(error) => Err(error),
        };
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8]) -> Result<Vec<Field<'_>>, WireError> {
        Fields::new(bytes).collect()
    }

    #[test]
    fn every_wire_type_is_walked() {
        let bytes = [
            0x08, 0x96, 0x01, // 1: varint 150
            0x11, 1, 0, 0, 0, 0, 0, 0, 0, // 2: fixed64 1
            0x1a, 2, b'h', b'i', // 3: bytes
            0x23, 0x08, 0x01, 0x24, // 4: a group holding a varint
            0x2d, 2, 0, 0, 0, // 5: fixed32 2
        ];
        let values: Vec<Value<'_>> = walk(&bytes).unwrap().into_iter().map(|field| field.value).collect();
        assert_eq!(
            values,
            [Value::Varint(150), Value::Fixed64(1), Value::Bytes(b"hi"), Value::Group, Value::Fixed32(2)]
        );
    }

    #[test]
    fn a_varint_has_at_most_64_bits() {
        let mut largest = vec![0x08];
        largest.extend([0xff; 9]);
        largest.push(0x01);
        assert_eq!(walk(&largest).unwrap()[0].value, Value::Varint(u64::MAX));
        *largest.last_mut().unwrap() = 0x02;
        assert_eq!(walk(&largest), Err(WireError::Varint));
        *largest.last_mut().unwrap() = 0x80;
        assert_eq!(walk(&largest), Err(WireError::Varint));
    }

    #[test]
    fn bytes_that_end_inside_a_field_are_truncated() {
        for bytes in [&[0x08][..], &[0x08, 0x80], &[0x11, 0], &[0x1a, 2, 0], &[0x2d, 0], &[0x23, 0x08]] {
            assert_eq!(walk(bytes), Err(WireError::Truncated), "{bytes:?}");
        }
    }

    #[test]
    fn field_zero_unknown_wire_types_and_stray_group_ends_are_refused() {
        assert_eq!(walk(&[0x00, 0x00]), Err(WireError::Key));
        assert_eq!(walk(&[0x0e]), Err(WireError::Key));
        assert_eq!(walk(&[0x0f]), Err(WireError::Key));
        assert_eq!(walk(&[0x0c]), Err(WireError::Group));
        assert_eq!(walk(&[0x23, 0x2c]), Err(WireError::Group));
    }

    #[test]
    fn groups_nest_a_hundred_deep_and_no_deeper() {
        let nested = |depth: usize| [vec![0x0b; depth], vec![0x0c; depth]].concat();
        assert!(walk(&nested(100)).is_ok());
        assert_eq!(walk(&nested(101)), Err(WireError::Group));
    }

    #[test]
    fn after_an_error_the_walk_ends() {
        let mut fields = Fields::new(&[0x0f, 0x08, 0x01]);
        assert_eq!(fields.next(), Some(Err(WireError::Key)));
        assert_eq!(fields.next(), None);
    }
}
