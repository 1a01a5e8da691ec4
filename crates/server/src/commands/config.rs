//! `fieldwatch config check|print`

use super::{load_settings, refuse_unsupported};
use crate::cli::{Common, Config};
use crate::failure::Failure;
use crate::output::write_text;
use crate::settings::{Explain, print};

pub(crate) fn run(common: &Common, config: &Config) -> Result<(), Failure> {
    let loaded = load_settings(common)?;
    match config {
        Config::Check => {
            refuse_unsupported(&loaded.settings)?;
            write_text("the configuration is right\n")?;
        }
        Config::Print { explain: true } => write_text(&print(&loaded, Explain::Yes))?,
        Config::Print { explain: false } => write_text(&print(&loaded, Explain::No))?,
    }
    Ok(())
}
