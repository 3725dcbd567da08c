//! A store on SQLite, through sqlx.
