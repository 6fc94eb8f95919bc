//! From a folder to a table that the server includes.
use anyhow::{Context, Result, ensure};
use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The best there is; that takes seconds for a page of 1 MB because the workspace's profiles have this crate and
/// brotli optimised, unlike other build scripts.
const BROTLI_QUALITY: i32 = 11;
const BROTLI_WINDOW: i32 = 22;

/// Compresses every file of `page` (a flat folder with an `index.html`) and writes `out/page.rs`:
///
/// ```text
/// pub(crate) static FILES: &[File] = &[File { name, etag, plain, brotli, gzip }, …];
/// pub(crate) const BUILD: &str = "…";
/// ```
///
/// `etag` is the file's BLAKE3 in hexadecimal; a compressed form that is not smaller is `None`. `BUILD` names
/// this set of files together with `version`: 16 hexadecimal digits.
pub fn embed(page: &Path, out: &Path, version: &str) -> Result<()> {
    let mut files = Vec::new();
    for file in fs::read_dir(page).with_context(|| format!("no page in {}", page.display()))? {
        let path = file?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    ensure!(
        files.iter().any(|f| f.ends_with("index.html")),
        "the page in {} has no index.html",
        page.display()
    );

    let packed = out.join("packed");
    fs::create_dir_all(&packed).with_context(|| format!("cannot make {}", packed.display()))?;
    let mut build = blake3::Hasher::new();
    build.update(version.as_bytes());
    let mut table = String::from("pub(crate) static FILES: &[File] = &[\n");
    let mut kept = Vec::new();
    for path in &files {
        let name =
            path.file_name().and_then(|n| n.to_str()).context("a file name of the page is not UTF-8")?;
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let digest = blake3::hash(&bytes);
        build.update(name.as_bytes()).update(digest.as_bytes());
        let mut variant = |extension: &str, compress: fn(&[u8]) -> Result<Vec<u8>>| {
            let file = packed.join(format!("{}.{extension}", digest.to_hex()));
            let form = include(&bytes, &file, compress);
            kept.push(file);
            form
        };
        let (brotli, gzip) = (variant("br", brotli)?, variant("gz", gzip)?);
        // A copy under our own folder: `page` may be gone when the compiler reads the table.
        let plain = packed.join(format!("{}.plain", digest.to_hex()));
        write_once(&plain, &bytes)?;
        writeln!(
            table,
            "    File {{ name: {name:?}, etag: \"{}\", plain: include_bytes!({plain:?}), brotli: {brotli}, gzip: {gzip} }},",
            digest.to_hex()
        )?;
        kept.push(plain);
    }
    let build = build.finalize().to_hex();
    writeln!(table, "];\npub(crate) const BUILD: &str = \"{}\";", &build[..16])?;
    fs::write(out.join("page.rs"), table).context("cannot write page.rs")?;
    remove_others(&packed, &kept)
}

/// The table's entry for a compressed form, made unless it is there from the last time.
fn include(bytes: &[u8], file: &Path, compress: fn(&[u8]) -> Result<Vec<u8>>) -> Result<String> {
    let packed_len = match fs::metadata(file) {
        Ok(found) => found.len(),
        Err(_) => {
            let packed = compress(bytes)?;
            write_once(file, &packed)?;
            packed.len() as u64
        }
    };
    Ok(if packed_len < bytes.len() as u64 {
        format!("Some(include_bytes!({file:?}))")
    } else {
        "None".into()
    })
}

/// Under another name first, so that an interrupted build leaves no half file behind.
fn write_once(file: &Path, bytes: &[u8]) -> Result<()> {
    if file.exists() {
        return Ok(());
    }
    let mut part = OsString::from(file);
    part.push(".part");
    let part = PathBuf::from(part);
    fs::write(&part, bytes)
        .and_then(|()| fs::rename(&part, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, BROTLI_QUALITY as u32, BROTLI_WINDOW as u32)
        .write_all(bytes)?;
    Ok(out)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}

fn remove_others(folder: &Path, kept: &[PathBuf]) -> Result<()> {
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if !kept.contains(&path) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn table(page: &Path, version: &str) -> String {
        let out = tempfile::tempdir().unwrap();
        embed(page, out.path(), version).unwrap();
        fs::read_to_string(out.path().join("page.rs")).unwrap()
    }

    fn build_id(table: &str) -> String {
        table.lines().find(|l| l.contains("BUILD")).unwrap().to_owned()
    }

    #[test]
    fn a_form_that_is_not_smaller_is_left_out() {
        let page = folder(&[("index.html", &[b'a'; 10_000]), ("tiny.js", b"x")]);

        let table = table(page.path(), "1");

        let line = |name: &str| table.lines().find(|l| l.contains(name)).unwrap().to_owned();
        assert!(line("index.html").contains("brotli: Some(") && line("index.html").contains("gzip: Some("));
        assert!(line("tiny.js").contains("brotli: None, gzip: None"));
    }

    #[test]
    fn the_build_id_names_bytes_and_version() {
        let (one, two) = (folder(&[("index.html", b"one")]), folder(&[("index.html", b"two")]));

        let ids = [(&one, "1"), (&one, "2"), (&two, "1")].map(|(page, v)| build_id(&table(page.path(), v)));

        assert_eq!(ids[0], build_id(&table(one.path(), "1")));
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2]);
    }

    #[test]
    fn a_folder_without_a_page_is_refused_in_words() {
        let page = folder(&[("web.js", b"")]);
        let out = tempfile::tempdir().unwrap();

        let error = embed(page.path(), out.path(), "1").unwrap_err().to_string();

        assert!(error.ends_with("has no index.html"), "{error}");
    }

    #[test]
    fn what_is_compressed_is_what_comes_out() {
        let bytes: Vec<u8> = (0..200_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();

        let mut plain = Vec::new();
        std::io::copy(&mut flate2::read::GzDecoder::new(&gzip(&bytes).unwrap()[..]), &mut plain).unwrap();
        assert_eq!(plain, bytes);

        plain.clear();
        std::io::copy(&mut brotli::Decompressor::new(&brotli(&bytes).unwrap()[..], 4096), &mut plain)
            .unwrap();
        assert_eq!(plain, bytes);
    }
}
