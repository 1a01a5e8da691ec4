//! The pages: the console as it was built, and the one that lists the API's operations.

use crate::problem::Problem;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

/// A file that is part of the program.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    /// Differs when the content does.
    tag: &'static str,
    plain: &'static [u8],
    /// The content compressed, where that is worth it.
    gzip: Option<&'static [u8]>,
}

/// The files of the console; a plain page when it was not built.
const CONSOLE: &[Asset] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// The page of operations. It changes with the program only, so the version is tag enough.
const DOCS: [Asset; 3] = [
    docs_asset("/docs", "text/html; charset=utf-8", include_bytes!("../pages/docs.html")),
    docs_asset("/docs/docs.css", "text/css; charset=utf-8", include_bytes!("../pages/docs.css")),
    docs_asset("/docs/docs.js", "text/javascript; charset=utf-8", include_bytes!("../pages/docs.js")),
];

const fn docs_asset(path: &'static str, content_type: &'static str, plain: &'static [u8]) -> Asset {
    Asset { path, content_type, tag: env!("CARGO_PKG_VERSION"), plain, gzip: None }
}

/// The pages run their own scripts and ask this server only, whatever gets into what they show.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     worker-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// `GET /openapi.json`
pub(crate) async fn openapi() -> Response {
    let mut response = Response::new(Body::from(crate::openapi()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // The document holds nothing of anybody; tools on other pages may read it.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// `GET /docs`
pub(crate) async fn docs(headers: HeaderMap) -> Response {
    serve(&DOCS[0], &headers)
}

/// Everything that is in no row of the table: a file of the console, or nothing.
pub(crate) async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path() {
        "/" => "/index.html",
        "/docs/" => "/docs",
        path => path,
    };
    let Some(asset) = CONSOLE.iter().chain(&DOCS).find(|asset| asset.path == path) else {
        return Problem::not_found("not_found", "there is nothing at this path").into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "a file can only be read")
            .with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD"))
            .into_response();
    }
    let mut response = serve(asset, &headers);
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

fn serve(asset: &Asset, headers: &HeaderMap) -> Response {
    let (content, suffix) = match asset.gzip {
        Some(gzip) if takes_gzip(headers) => (gzip, "-gzip"),
        _ => (asset.plain, ""),
    };
    let tag = format!("\"{}{suffix}\"", asset.tag);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|list| list.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(Bytes::from_static(content)) });
    let head = response.headers_mut();
    // The build names assets by their content, so a name never changes what it means.
    let caching = if asset.path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    for (name, value) in [
        (header::CACHE_CONTROL, caching),
        (header::CONTENT_TYPE, asset.content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        head.insert(name, HeaderValue::from_static(value));
    }
    if asset.gzip.is_some() {
        head.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if !suffix.is_empty() && !is_known {
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        head.insert(header::ETAG, tag);
    }
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        is_gzip && !parts.any(|part| part.strip_prefix("q=").and_then(|text| text.parse::<f32>().ok()).is_some_and(|q| q <= 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &str, given: &[(header::HeaderName, &'static str)]) -> Response {
        let headers = given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        file(Method::GET, path.parse().expect("a path"), headers).await
    }

    #[tokio::test]
    async fn the_page_is_served_under_a_strict_policy() {
        let page = get("/", &[]).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert!(page.headers()["content-type"].to_str().expect("text").starts_with("text/html"));
        assert!(page.headers()["content-security-policy"].to_str().expect("text").contains("default-src 'none'"));
        assert_eq!(page.headers()["cache-control"], "no-cache");
    }

    #[tokio::test]
    async fn a_page_that_is_known_is_not_sent_again() {
        let tag = get("/", &[]).await.headers()["etag"].to_str().expect("text").to_owned();
        let tag: &'static str = tag.leak();
        assert_eq!(get("/", &[(header::IF_NONE_MATCH, tag)]).await.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get("/", &[(header::IF_NONE_MATCH, "\"other\"")]).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn what_is_not_there_is_a_problem_and_what_is_there_can_only_be_read() {
        for path in ["/api/v1/nothing", "/assets/nothing.js", "/../Cargo.toml", "/index.html/"] {
            assert_eq!(get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
        let answer = file(Method::POST, Uri::from_static("/"), HeaderMap::new()).await;
        assert_eq!(
            (answer.status(), &answer.headers()["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &HeaderValue::from_static("GET, HEAD"))
        );
    }

    #[test]
    fn gzip_is_given_to_who_takes_it() {
        let takes = |text| takes_gzip(&[(header::ACCEPT_ENCODING, HeaderValue::from_static(text))].into_iter().collect());
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("deflate,gzip"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("x-gzip2"));
    }

    #[test]
    fn no_page_asks_another_host_for_anything() {
        for asset in DOCS.iter().chain(CONSOLE).filter(|asset| asset.content_type.starts_with("text/html")) {
            let text = String::from_utf8_lossy(asset.plain);
            assert!(!text.contains("src=\"http") && !text.contains("href=\"http"), "{}", asset.path);
        }
    }
}
