//! `fieldwatch send`: replays recorded readings, and can be called again when it was cut.

use anyhow::Error;
use fieldwatch_simulator::{SendError, SendOptions, SendProgress, SendSummary, send_file};

use super::wants_progress;
use crate::cli::{Common, Send};
use crate::failure::Failure;
use crate::output::write_text;
use crate::progress::Progress;
use crate::runtime;

pub(crate) fn run(common: &Common, send: &Send) -> Result<(), Failure> {
    let options = SendOptions { speed: send.speed, ..SendOptions::new(&send.file, send.target.as_str()) };
    let mut progress = Progress::on_stderr(wants_progress(common));
    let mut summary = None;
    let mut last_line = 0;
    runtime::run(|stop| {
        let (summary, progress, last_line) = (&mut summary, &mut progress, &mut last_line);
        async move {
            let sending = send_file(options, |now| {
                *last_line = now.line;
                progress.show(|| line(&now));
            });
            tokio::select! {
                sent = sending => *summary = Some(sent.map_err(failure)?),
                // Cut where it is: how far it came is kept after each answer.
                () = stop.requested() => {}
            }
            Ok(())
        }
    })?;
    progress.finish();
    if let Some(summary) = summary {
        conclude(&summary)
    } else {
        eprintln!("ended after line {last_line}; call again to resume");
        Err(Failure::Told)
    }
}

fn line(now: &SendProgress) -> String {
    format!("{:.0} %, line {}: {} accepted, {} refused", now.part * 100.0, now.line, now.accepted, now.refused)
}

fn conclude(summary: &SendSummary) -> Result<(), Failure> {
    write_text(&format!("{summary}\n"))?;
    if summary.refused == 0 { Ok(()) } else { Err(Failure::Told) }
}

fn failure(error: SendError) -> Failure {
    match error {
        SendError::Target(_) | SendError::Option(_) | SendError::UnknownFormat(_) => Failure::Usage(error.to_string()),
        other => Failure::Work(Error::new(other)),
    }
}
