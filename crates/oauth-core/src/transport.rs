//! From `http::Request<Bytes>` to `http::Response<Bytes>`: routes, answers and the headers that every answer bears.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use crate::{Issuer, Refusal, Server};

/// Who is at the other end of the connection. The adapter puts it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    address: IpAddr,
}

impl Peer {
    /// A peer at this address: the connection's, or one that a trusted proxy told.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self { address }
    }

    /// The address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// What is counted for the address: itself, or the /64 that an IPv6 subscriber has; nothing for loopback.
    pub(crate) fn counted(self) -> Option<String> {
        let address = self.address.to_canonical();
        match address {
            address if address.is_loopback() => None,
            IpAddr::V4(address) => Some(address.to_string()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Some(format!("{a:x}:{b:x}:{c:x}:{d:x}"))
            }
        }
    }

    /// The peer of a request, where the adapter told it.
    #[must_use]
    pub fn of(parts: &Parts) -> Option<Self> {
        parts.extensions.get::<Self>().copied()
    }
}

/// One thing that answers requests.
#[async_trait]
pub trait Endpoint: Send + Sync {
    /// Answers a request. Whatever it holds, there is an answer.
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes>;
}

/// Whether pages of other origins may read the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cors {
    /// No.
    SameOrigin,
    /// Yes, without credentials: metadata, keys, token endpoint, userinfo.
    AnyOrigin,
}

/// A path below the issuer, a method, and what answers there.
#[derive(Clone)]
pub struct Route {
    method: Method,
    path: Cow<'static, str>,
    /// Where the first place begins, in a path that has one.
    place_at: Option<usize>,
    cors: Cors,
    needs_peer: bool,
    endpoint: Arc<dyn Endpoint>,
}

impl Route {
    /// A route. A path segment in braces, as in `/login/{id}`, stands for any one segment.
    #[must_use]
    pub fn new(method: Method, path: impl Into<Cow<'static, str>>, endpoint: impl Endpoint + 'static) -> Self {
        Self::shared(method, path, Arc::new(endpoint))
    }

    /// A route to an endpoint that serves several.
    #[must_use]
    pub fn shared(method: Method, path: impl Into<Cow<'static, str>>, endpoint: Arc<dyn Endpoint>) -> Self {
        let path = path.into();
        let place_at = path.find('{');
        Self { method, path, place_at, cors: Cors::SameOrigin, needs_peer: false, endpoint }
    }

    /// Lets pages of other origins read the answers, without credentials.
    #[must_use]
    pub fn cors(mut self) -> Self {
        self.cors = Cors::AnyOrigin;
        self
    }

    /// Answers nobody whose address is not known, since guesses there are counted by address.
    #[must_use]
    pub fn needs_peer(mut self) -> Self {
        self.needs_peer = true;
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path below the issuer.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn allows_any_origin(&self) -> bool {
        self.cors == Cors::AnyOrigin
    }

    pub(crate) fn demands_peer(&self) -> bool {
        self.needs_peer
    }

    pub(crate) fn endpoint(&self) -> &dyn Endpoint {
        &*self.endpoint
    }

    /// Moves the route below a path.
    pub(crate) fn below(self, prefix: &str) -> Self {
        if prefix.is_empty() { self } else { self.moved(format!("{prefix}{}", self.path)) }
    }

    /// The same answers at another path.
    pub(crate) fn moved(&self, path: String) -> Self {
        Self { place_at: path.find('{'), path: path.into(), ..self.clone() }
    }

    /// Whether some request would find both. Two patterns are the same wherever their named segments are.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let shape = |path: &str| -> Vec<String> {
            let named = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
            path.split('/').map(|segment| if named(segment) { "{}" } else { segment }.to_owned()).collect()
        };
        self.method == other.method && shape(&self.path) == shape(&other.path)
    }

    /// Whether a request's path is this route's.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let Some(place_at) = self.place_at else { return self.path == path };
        if self.path.as_bytes().get(..place_at) != path.as_bytes().get(..place_at) {
            return false;
        }
        let mut asked = path.split('/');
        let mut own = self.path.split('/');
        loop {
            match (own.next(), asked.next()) {
                (None, None) => return true,
                (Some(own), Some(asked)) if own.starts_with('{') && own.ends_with('}') => {
                    if asked.is_empty() {
                        return false;
                    }
                }
                (Some(own), Some(asked)) if own == asked => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({} {})", self.method, self.path)
    }
}

/// Answers as the specifications want them.
pub mod answer {
    use super::*;

    /// The strictest policy for a page: nothing loads, nothing frames it. Pages that carry a style add its hash.
    pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

    /// An answer of these parts. A header value that cannot be sent is left out.
    #[must_use]
    pub fn with(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        // Room for all the headers that an answer bears, the adapter's too.
        response.headers_mut().reserve(8);
        put(&mut response, header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// An answer in JSON that no cache may keep (RFC 6749 §5.1).
    #[must_use]
    pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Bytes> {
        let body = serde_json::to_vec(value).unwrap_or_else(|_| b"{\"error\":\"server_error\"}".to_vec());
        let mut response = with(status, "application/json", body);
        never_stored(&mut response);
        response
    }

    /// An error answer (RFC 6749 §5.2).
    #[must_use]
    pub fn refusal(refusal: &Refusal) -> Response<Bytes> {
        let mut body = json!({ "error": refusal.error(), "error_description": refusal.description() });
        if let Some(object) = body.as_object_mut() {
            object.extend(refusal.members().clone());
        }
        let mut response = json(refusal.status(), &body);
        retry_after(&mut response, refusal);
        response
    }

    /// Says when to try again, where the refusal knows (RFC 9110 §10.2.3).
    pub fn retry_after(response: &mut Response<Bytes>, refusal: &Refusal) {
        if let Some(seconds) = refusal.seconds_to_wait() {
            set(response, header::RETRY_AFTER, &seconds.to_string());
        }
    }

    /// An HTML page with the headers that keep it from being framed, sniffed, cached or leaked by referrer.
    #[must_use]
    pub fn page(status: StatusCode, html: impl Into<Bytes>, policy: &str) -> Response<Bytes> {
        let mut response = with(status, "text/html; charset=utf-8", html);
        never_stored(&mut response);
        set(&mut response, header::CONTENT_SECURITY_POLICY, policy);
        set(&mut response, header::X_FRAME_OPTIONS, "DENY");
        set(&mut response, header::REFERRER_POLICY, "same-origin");
        set(&mut response, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
        response
    }

    /// A 303 to another place: the browser follows with GET, whatever the method was. Never 307 or 308 (RFC 9700 §4.12).
    #[must_use]
    pub fn see_other(location: &str) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SEE_OTHER;
        set(&mut response, header::LOCATION, location);
        never_stored(&mut response);
        set(&mut response, header::REFERRER_POLICY, "no-referrer");
        response
    }

    /// Sets a header, unless the value cannot stand in one.
    pub fn set(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }

    /// Sets a header to a value that is known to be one.
    pub(crate) fn put(response: &mut Response<Bytes>, name: HeaderName, value: HeaderValue) {
        response.headers_mut().insert(name, value);
    }

    /// Keeps every cache from storing the answer.
    pub fn never_stored(response: &mut Response<Bytes>) {
        put(response, header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
        put(response, header::PRAGMA, const { HeaderValue::from_static("no-cache") });
    }

    /// Text that stands in HTML.
    #[must_use]
    pub fn escape(text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                other => escaped.push(other),
            }
        }
        escaped
    }
}

/// Whether a change comes from a page of the issuer itself: `Sec-Fetch-Site` and `Origin` say so, as far as they are there,
/// and at least one is.
#[must_use]
pub fn is_same_origin(parts: &Parts, issuer: &Issuer) -> bool {
    let value = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = value("sec-fetch-site");
    // A page whose referrer policy hides its address sends `Origin: null`; then only the browser's own word counts.
    match (site, value("origin")) {
        (Some(site), Some(origin)) => site == "same-origin" && (origin == issuer.origin() || origin == "null"),
        (Some(site), None) => site == "same-origin",
        (None, Some(origin)) => origin == issuer.origin(),
        (None, None) => false,
    }
}

/// The value of a cookie. Of several with one name none counts: they cannot be told apart.
#[must_use]
pub fn cookie<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let mut found = None;
    for line in parts.headers.get_all(header::COOKIE) {
        // The cookies of others may hold any bytes; they are passed over.
        for pair in line.as_bytes().split(|&byte| byte == b';') {
            if let Ok(pair) = std::str::from_utf8(pair)
                && let Some((key, value)) = pair.trim().split_once('=')
                && key == name
                && found.replace(value).is_some()
            {
                return None;
            }
        }
    }
    found
}

/// The query parameters appended to a URI that may have some already (RFC 6749 §3.1.2).
#[must_use]
pub fn with_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(pairs);
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{uri}{separator}{}", encoded.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&'static str, &str)]) -> Parts {
        let mut builder = Request::builder();
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn rfc6749_10_12_a_change_comes_from_our_own_page() {
        let issuer = Issuer::parse("https://id.example.com").unwrap();
        let own = "https://id.example.com";
        for (headers, holds) in [
            (&[("origin", own)][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (&[], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "https://id.example.com.evil.example")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", own)], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], false),
        ] {
            assert_eq!(is_same_origin(&parts(headers), &issuer), holds, "{headers:?}");
        }
    }

    #[test]
    fn a_cookie_that_stands_there_twice_counts_as_none() {
        assert_eq!(cookie(&parts(&[("cookie", "a=1; b=2")]), "b"), Some("2"));
        assert_eq!(cookie(&parts(&[("cookie", "a=1; b=2"), ("cookie", "b=3")]), "b"), None);
        assert_eq!(cookie(&parts(&[("cookie", "b=1; b=1")]), "b"), None);
        assert_eq!(cookie(&parts(&[]), "b"), None);
    }

    #[test]
    fn a_neighbours_cookie_of_other_bytes_hides_none() {
        let value = HeaderValue::from_bytes(b"theirs=\xff\xfe; b=2; other=k\xc3\xa4se").unwrap();
        let parts = Request::builder().header("cookie", value).body(()).unwrap().into_parts().0;
        assert_eq!(cookie(&parts, "b"), Some("2"));
    }

    #[test]
    fn rfc6749_3_1_2_the_query_of_a_redirect_uri_is_kept() {
        assert_eq!(with_query("https://rp.example/cb", &[("a", "b c")]), "https://rp.example/cb?a=b+c");
        assert_eq!(with_query("https://rp.example/cb?x=y", &[("a", "&")]), "https://rp.example/cb?x=y&a=%26");
        assert_eq!(with_query("https://rp.example/cb?", &[("a", "b")]), "https://rp.example/cb?a=b");
    }

    #[test]
    fn a_pattern_matches_one_segment_only() {
        struct Nothing;
        #[async_trait]
        impl Endpoint for Nothing {
            async fn answer(&self, _: &Server, _: Request<Bytes>) -> Response<Bytes> {
                Response::default()
            }
        }
        let route = Route::new(Method::GET, "/login/{id}", Nothing);
        assert!(route.matches("/login/x"));
        for other in ["/login/", "/login", "/login/x/y", "/logout/x", "/login/x/"] {
            assert!(!route.matches(other), "{other}");
        }
    }
}
