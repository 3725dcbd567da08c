//! One statement and its values, over either of the protocol's two ways.
//!
//! Prepared statements are the quick way, and bound to their connection. A pooler that hands each transaction another
//! connection may not know them; for it the values stand in the text, and one message is one transaction. All values are
//! numbers and bytes, which are written as digits, so nothing in them can be read as SQL.

use std::fmt::Write as _;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};

/// A value for a place `$n`.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Number(i64),
    Bytes(&'a [u8]),
    MaybeBytes(Option<&'a [u8]>),
    Numbers(Vec<i64>),
    Many(Vec<Option<&'a [u8]>>),
}

/// A statement with its values. `$n` stands only for values in it.
#[derive(Debug, Clone)]
pub(super) struct Statement<'a> {
    sql: &'static str,
    values: Vec<Value<'a>>,
    planned_anew: bool,
}

impl<'a> Statement<'a> {
    pub(super) fn new(sql: &'static str, values: impl Into<Vec<Value<'a>>>) -> Self {
        Self { sql, values: values.into(), planned_anew: false }
    }

    /// Never prepared: a plan that does not know the values would be a bad one.
    pub(super) fn planned_anew(self) -> Self {
        Self { planned_anew: true, ..self }
    }

    /// Runs it; answers how many rows it wrote.
    pub(super) async fn execute(&self, connection: &mut PgConnection, prepared: bool) -> Result<u64, sqlx::Error> {
        let done = if prepared && !self.planned_anew {
            self.bound().execute(connection).await?
        } else {
            sqlx::raw_sql(AssertSqlSafe(self.spelt_out())).execute(connection).await?
        };
        Ok(done.rows_affected())
    }

    /// Runs it; answers the rows that it yields.
    pub(super) async fn rows(&self, connection: &mut PgConnection, prepared: bool) -> Result<Vec<PgRow>, sqlx::Error> {
        if prepared && !self.planned_anew {
            self.bound().fetch_all(connection).await
        } else {
            sqlx::raw_sql(AssertSqlSafe(self.spelt_out())).fetch_all(connection).await
        }
    }

    fn bound(&self) -> Query<'_, Postgres, sqlx::postgres::PgArguments> {
        self.values.iter().fold(sqlx::query(self.sql), |query, value| match value {
            Value::Number(number) => query.bind(*number),
            Value::Bytes(bytes) => query.bind(*bytes),
            Value::MaybeBytes(bytes) => query.bind(*bytes),
            Value::Numbers(numbers) => query.bind(&numbers[..]),
            Value::Many(many) => query.bind(&many[..]),
        })
    }

    fn spelt_out(&self) -> String {
        let mut text = String::with_capacity(self.sql.len() + 256);
        let mut pieces = self.sql.split('$');
        text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            let place = piece[..digits].parse::<usize>().ok();
            match place.and_then(|place| self.values.get(place.checked_sub(1)?)) {
                Some(value) => value.spell(&mut text),
                None => text.push_str("NULL"), // our own statements name no such place
            }
            text.push_str(&piece[digits..]);
        }
        text
    }
}

impl Value<'_> {
    fn spell(&self, text: &mut String) {
        match self {
            Self::Number(number) => spell_number(*number, text),
            Self::Bytes(bytes) => spell_bytes(Some(bytes), text),
            Self::MaybeBytes(bytes) => spell_bytes(*bytes, text),
            Self::Numbers(numbers) => {
                spell_array(numbers.iter(), "bigint[]", text, |number, text| spell_number(*number, text));
            }
            Self::Many(many) => spell_array(many.iter(), "bytea[]", text, |bytes, text| spell_bytes(*bytes, text)),
        }
    }
}

/// The smallest number is no literal of its own: the sign is an operator. So it stands as text with a type.
fn spell_number(number: i64, text: &mut String) {
    write!(text, "'{number}'::bigint").ok();
}

fn spell_bytes(bytes: Option<&[u8]>, text: &mut String) {
    let Some(bytes) = bytes else {
        return text.push_str("NULL::bytea");
    };
    // Not '\x…': what a backslash means in a literal is a setting.
    text.push_str("decode('");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text.push_str("','hex')");
}

fn spell_array<T>(items: impl Iterator<Item = T>, kind: &str, text: &mut String, spell: impl Fn(T, &mut String)) {
    text.push_str("ARRAY[");
    for (at, item) in items.enumerate() {
        if at > 0 {
            text.push(',');
        }
        spell(item, text);
    }
    write!(text, "]::{kind}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelt_out_as_digits() {
        let quote = b"'; DROP TABLE countersign_record; --";
        let values = [
            Value::Number(i64::MIN),
            Value::Bytes(quote),
            Value::MaybeBytes(None),
            Value::Numbers(vec![1, -2]),
            Value::Many(vec![Some(&[0xfe, 0x01]), None]),
        ];
        let text = Statement::new("SELECT $1, $2, $3, $4, $5 -- twice: $1", values).spelt_out();
        assert_eq!(
            text,
            "SELECT '-9223372036854775808'::bigint, \
             decode('273b2044524f50205441424c4520636f756e7465727369676e5f7265636f72643b202d2d','hex'), NULL::bytea, \
             ARRAY['1'::bigint,'-2'::bigint]::bigint[], ARRAY[decode('fe01','hex'),NULL::bytea]::bytea[] \
             -- twice: '-9223372036854775808'::bigint"
        );
        let empty = Statement::new("SELECT $1", [Value::Many(Vec::new())]).spelt_out();
        assert_eq!(empty, "SELECT ARRAY[]::bytea[]");
    }
}
