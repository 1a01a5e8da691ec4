//! Columns of many rows as the server takes them: arrays in its binary form, so that one call carries a whole group.

use bytes::{BufMut, BytesMut};
use std::error::Error;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

/// Milliseconds from 1970 to 2000, from where the server counts.
const SERVER_EPOCH_MS: i64 = 946_684_800_000;
/// The earliest and latest moment that the server's type can hold, in our milliseconds, rounded towards today.
const SERVER_TIMES_MS: (i64, i64) = (-210_866_803_200_000, 9_224_318_015_999_999);

/// The values of one column, each with its length before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    len: usize,
    has_null: bool,
    bytes: Vec<u8>,
}

impl Column {
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn f32(&mut self, value: f32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// A moment, in milliseconds since 1970.
    pub(super) fn time(&mut self, ms: i64) {
        let (earliest, latest) = SERVER_TIMES_MS;
        self.i64((ms.clamp(earliest, latest) - SERVER_EPOCH_MS) * 1_000);
    }

    pub(super) fn null(&mut self) {
        self.len += 1;
        self.has_null = true;
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.len += 1;
        self.bytes.extend_from_slice(&(value.len() as i32).to_be_bytes());
        self.bytes.extend_from_slice(value);
    }

    /// Begins a value that is written piece by piece; to be ended with [`Column::end`].
    pub(super) fn begin(&mut self) -> (&mut Vec<u8>, usize) {
        self.len += 1;
        self.bytes.extend_from_slice(&[0; 4]);
        let start = self.bytes.len();
        (&mut self.bytes, start)
    }

    /// Ends a value that begins at `start`.
    pub(super) fn end(&mut self, start: usize) {
        let length = (self.bytes.len() - start) as i32;
        self.bytes[start - 4..start].copy_from_slice(&length.to_be_bytes());
    }
}

/// The columns of several batches as one array.
#[derive(Debug)]
pub(super) struct Joined<'a>(pub(super) Vec<&'a Column>);

impl ToSql for Joined<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Kind::Array(element) = ty.kind() else { return Err("an array was expected".into()) };
        let values: usize = self.0.iter().map(|column| column.len).sum();
        out.reserve(20 + self.0.iter().map(|column| column.bytes.len()).sum::<usize>());
        out.put_i32(i32::from(values > 0));
        out.put_i32(i32::from(self.0.iter().any(|column| column.has_null)));
        out.put_u32(element.oid());
        if values > 0 {
            out.put_i32(i32::try_from(values)?);
            out.put_i32(1);
            self.0.iter().for_each(|column| out.put_slice(&column.bytes));
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.kind(), Kind::Array(_))
    }

    to_sql_checked!();
}
