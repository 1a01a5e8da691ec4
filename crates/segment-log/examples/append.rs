//! How much a commit costs beyond what the disk asks for: `cargo run --release --example append -- [--json] [FOLDER]`.
//!
//! For each frame size, rounds of commits and rounds of plain write and `fdatasync` of as many bytes take turns in the
//! same folder, because a disk changes its speed by the second. The ratio is plain time over commit time, by medians
//! of single operations: 1 means that the log costs nothing, the goal is 0.9.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fieldwatch_segment_log::{FRAME_HEADER_BYTES, Log, LogOptions};

const ROUNDS: usize = 8;
const SIZES: [(usize, usize); 3] = [(5 << 10, 150), (80 << 10, 60), (1 << 20, 15)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, folders): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|argument| argument == "--json");
    let parent = folders.first().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = parent.join(format!("segment-log-append-{}", std::process::id()));
    fs::create_dir(&dir)?;
    let measured = measure(&dir);
    fs::remove_dir_all(&dir)?;
    let measured = measured?;
    if flags.is_empty() {
        for Measured { payload_bytes, commit, plain } in &measured {
            println!("{payload_bytes:>8} B  commit {commit:>9.1?}  plain {plain:>9.1?}  ratio {:.3}", ratio(*plain, *commit));
        }
    } else {
        let rows: Vec<String> = measured.iter().map(Measured::json).collect();
        println!("{{\"benchmark\":\"segment_log_append\",\"rows\":[{}]}}", rows.join(","));
    }
    Ok(())
}

/// Medians of one operation.
struct Measured {
    payload_bytes: usize,
    commit: Duration,
    plain: Duration,
}

impl Measured {
    fn json(&self) -> String {
        format!(
            "{{\"payload_bytes\":{},\"commit_us_p50\":{:.1},\"plain_us_p50\":{:.1},\"ratio\":{:.3}}}",
            self.payload_bytes,
            self.commit.as_secs_f64() * 1e6,
            self.plain.as_secs_f64() * 1e6,
            ratio(self.plain, self.commit)
        )
    }
}

fn ratio(plain: Duration, commit: Duration) -> f64 {
    plain.as_secs_f64() / commit.as_secs_f64()
}

fn measure(dir: &Path) -> Result<Vec<Measured>, Box<dyn std::error::Error>> {
    let (mut log, _) = Log::open(dir.join("log"), LogOptions::new(*b"TEST"))?;
    let mut plain_file = File::create(dir.join("plain"))?;
    let mut measured = Vec::new();
    for (payload_bytes, operations) in SIZES {
        let payload: Vec<u8> = (0..payload_bytes).map(|at| (at * 31 % 251) as u8).collect();
        let whole = vec![7; payload_bytes + FRAME_HEADER_BYTES as usize];
        let (mut commits, mut plains) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            for _ in 0..operations {
                let begun = Instant::now();
                log.commit(&[&payload])?;
                commits.push(begun.elapsed());
            }
            for _ in 0..operations {
                let begun = Instant::now();
                write_and_sync(&mut plain_file, &whole)?;
                plains.push(begun.elapsed());
            }
        }
        measured.push(Measured { payload_bytes, commit: median(commits), plain: median(plains) });
    }
    Ok(measured)
}

fn write_and_sync(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_data()
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}
