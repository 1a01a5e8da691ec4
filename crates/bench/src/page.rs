//! What the page costs the browser while a fleet moves. A script of the page's own tests measures it.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::bench::Bench;
use crate::figure::{Measured, Row};
use crate::process::{Process, said_within};
use crate::wording::count;

const GOAL_PERCENT: f64 = 15.0;
const GOAL_LONGEST_TASK_MS: f64 = 100.0;
/// How long the fleet may take to be there.
const FLEET_WITHIN: Duration = Duration::from_mins(1);
/// The script waits 20 s and measures 20 s; a browser that hangs is not waited for.
const SCRIPT_WITHIN: Duration = Duration::from_mins(4);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let devices = bench.pick(10_000, 1_000);
    let folder = bench.folder("page")?;
    let program = bench.start_program(&folder)?;
    let mut simulate = Command::new(bench.program());
    simulate.args([
        "simulate",
        "--target",
        program.url(),
        "--interval",
        "1s",
        "--duration",
        "300s",
        "--batch",
        "100",
        "--seed",
        "1",
    ]);
    simulate.args(["--devices", &devices.to_string()]).current_dir(folder.path());
    let _fleet = Process::start(simulate.stdout(Stdio::null()).stderr(Stdio::null())).context("start the fleet")?;
    wait_for_fleet(&program, devices)?;

    println!("  {} devices move; the browser starts", count(f64::from(devices)));
    let mut script = Command::new("node");
    script.arg("e2e/measure.mjs").arg(program.url()).current_dir(bench.repository().join("ui"));
    if bench.quick() {
        script.env("MEASURE_SETTLE_MS", "2000").env("MEASURE_MS", "2000");
    }
    let said = said_within(&mut script, SCRIPT_WITHIN).context("run ui/e2e/measure.mjs")?;
    let said: Value = serde_json::from_str(said.trim()).with_context(|| format!("read what ui/e2e/measure.mjs said: {said}"))?;
    let number = |key: &str| said[key].as_f64().with_context(|| format!("find {key} in {said}"));
    let (percent, longest) = (number("mainThreadPercent")?, number("longestTaskMs")?);

    let mut measured = Measured::default();
    measured.rows.push(Row::held_to("main thread busy", format!("{percent:.1} %"), "< 15 %", percent < GOAL_PERCENT));
    let longest_text = if longest == 0.0 { "none of 50 ms or more".to_owned() } else { format!("{longest:.0} ms") };
    measured.rows.push(Row::held_to("longest task after load", longest_text, "≤ 100 ms", longest <= GOAL_LONGEST_TASK_MS));
    measured.notes.push(format!(
        "{} devices of `fieldwatch simulate`, each moving once a second (sent by 100 a request), a window of 1440×900. WebGL is drawn in \
         software here, on the same processors. The page showed: {}.",
        count(f64::from(devices)),
        said["shown"].as_str().unwrap_or("nothing")
    ));
    Ok(measured)
}

fn wait_for_fleet(program: &crate::server::Server, devices: u32) -> anyhow::Result<()> {
    let end = Instant::now() + FLEET_WITHIN;
    while program.devices()? < u64::from(devices) {
        ensure!(Instant::now() < end, "the fleet had not reported within {} s", FLEET_WITHIN.as_secs());
        sleep(Duration::from_millis(200));
    }
    Ok(())
}
