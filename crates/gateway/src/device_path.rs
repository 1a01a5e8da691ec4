//! The device that a path names.

use crate::problem::Problem;
use axum::extract::{FromRequestParts, Path};
use axum::http::{StatusCode, request::Parts};
use fieldwatch_domain::check_device_id;

/// The id in a path, percent-decoded. A text that can be no id is the id of no device: 404.
pub(crate) struct DevicePath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for DevicePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(Path(id)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "malformed_path", "the path is not percent-encoded UTF-8"));
        };
        if check_device_id(&id).is_err() {
            return Err(Problem::unknown_device());
        }
        Ok(Self(id))
    }
}
