//! Puts the console's built files (`ui/dist`) into the program, text also compressed; a plain page where it was not built.

use flate2::{Compression, write::GzEncoder};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let dist = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo tells it")).join("../../ui/dist");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo tells it"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());

    let mut files = Vec::new();
    collect(&dist, &mut files);
    files.sort();
    let mut table = String::from("&[\n");
    if !files.iter().any(|file| file.ends_with("index.html")) {
        files.clear();
        add(&mut table, &out, 0, "/index.html", &Path::new(env!("CARGO_MANIFEST_DIR")).join("pages/not-built.html"));
    }
    for (number, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&dist).expect("found below it").to_str().expect("the build gives ASCII names");
        add(&mut table, &out, number, &format!("/{name}"), file);
    }
    table.push(']');
    fs::write(out.join("console.rs"), table).expect("write the table of the console's files");
}

/// Everything below a folder; nothing where there is none.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// Adds a row to the table: its path, type, tag, bytes, and its bytes compressed where that saves a tenth.
fn add(table: &mut String, out: &Path, number: usize, path: &str, file: &Path) {
    let content = fs::read(file).expect("read a file of the console");
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let (content_type, is_text) = match extension {
        "html" => ("text/html; charset=utf-8", true),
        "js" | "mjs" => ("text/javascript; charset=utf-8", true),
        "css" => ("text/css; charset=utf-8", true),
        "json" | "map" => ("application/json", true),
        "svg" => ("image/svg+xml", true),
        "txt" => ("text/plain; charset=utf-8", true),
        "woff2" => ("font/woff2", false),
        "png" => ("image/png", false),
        "ico" => ("image/x-icon", false),
        _ => ("application/octet-stream", false),
    };
    let mut compressed = "None".to_owned();
    if is_text {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(7));
        encoder.write_all(&content).expect("memory takes it");
        let bytes = encoder.finish().expect("memory takes it");
        if bytes.len() * 10 < content.len() * 9 {
            let name = out.join(format!("console-{number}.gz"));
            fs::write(&name, bytes).expect("write a compressed file of the console");
            compressed = format!("Some(include_bytes!({:?}))", name.display().to_string());
        }
    }
    // FNV-1a, as for device ids: enough to tell one build's file from another's.
    let tag = content.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let file = fs::canonicalize(file).expect("it was just read").display().to_string();
    writeln!(
        table,
        "    Asset {{ path: {path:?}, content_type: {content_type:?}, tag: \"{tag:016x}\", plain: include_bytes!({file:?}), \
         gzip: {compressed} }},"
    )
    .expect("memory takes it");
}
