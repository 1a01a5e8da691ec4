//! `fieldwatch openapi`

use crate::failure::Failure;
use crate::output::write_text;

pub(crate) fn run() -> Result<(), Failure> {
    Ok(write_text(fieldwatch_gateway::openapi())?)
}
