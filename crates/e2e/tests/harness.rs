//! The harness itself, against a page of its own: it works before, and without, the product.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, ensure};
use e2e::Kind::{self, Chromium, Firefox};
use e2e::{Browser, LAN_ADDRESS, Lab, ODD_NAME, Sample, Scheme, Tree, target_dir, usage};

e2e::tests! {
    chromium_and_firefox_connect_in_a_sealed_network: a_word_each_way(Chromium, Firefox);
    files_and_a_folder_go_into_chromium_and_a_download_comes_out: files_go_in_and_come_out(Chromium);
    files_and_a_folder_go_into_firefox_and_a_download_comes_out: files_go_in_and_come_out(Firefox);
    pictures_have_their_size_and_axe_looks: pictures();
    a_lab_can_be_cut_and_mended: cut_and_mend();
}

#[test]
fn the_sample_folder_has_what_the_tests_promise() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sample = Sample::make(dir.path())?;

    let tree = Tree::of(&sample.root)?;

    let things = tree.clone().only("things");
    assert_eq!(things.files().len(), 200);
    assert!(tree.files().contains_key(ODD_NAME) && tree.files().contains_key("nothing.bin"));
    assert!(things.0.contains_key("things/eins/nobody"), "an empty folder");
    assert!(!things.clone().without_empty_folders().0.contains_key("things/eins/nobody"));
    assert_eq!(
        tree.files().keys().map(|path| path.matches('/').count()).max(),
        Some(4),
        "three levels below the folder"
    );
    Ok(())
}

async fn a_word_each_way(a: Kind, b: Kind) -> Result<()> {
    let url = serve_the_page(Ipv4Addr::LOCALHOST)?;
    let (a, b) = tokio::try_join!(Browser::start(a), Browser::start(b))?;
    tokio::try_join!(a.open(&url), b.open(&url))?;
    for browser in [&a, &b] {
        browser.driver.execute(include_str!("fixture/peer.js"), vec![]).await?;
    }

    let offer = a.eval("peer.offer()", vec![]).await?;
    let answer = b.eval("peer.answer(args[0])", vec![offer]).await?;
    a.eval("peer.accept(args[0])", vec![answer]).await?;
    let heard = tokio::try_join!(a.eval("peer.exchange('a')", vec![]), b.eval("peer.exchange('b')", vec![]))?;

    assert_eq!((heard.0.as_str(), heard.1.as_str()), (Some("b"), Some("a")));
    for browser in [&a, &b] {
        assert!(
            usage(browser.pid()).iter().map(|usage| usage.pss_kib).sum::<u64>() > 50_000,
            "a browser takes memory"
        );
    }
    Ok(())
}

async fn files_go_in_and_come_out(kind: Kind) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sample = Sample::make(dir.path())?;
    let paths = sample.paths();
    let browser = Browser::start(kind).await?;
    browser.open(&serve_the_page(Ipv4Addr::LOCALHOST)?).await?;

    browser.choose("#files", &[&paths[0], &paths[1]]).await?;
    browser.choose_folder("#folder", &paths[2]).await?;
    browser.until("all rows", "document.querySelectorAll('#rows li').length === 202").await?;
    browser.click("#save").await?;
    let saved = browser.downloaded(ODD_NAME, 100_000).await?;

    let shown = "return [...document.querySelectorAll('#rows li')].map(li => li.dataset.path)";
    let mut shown: Vec<String> = browser.run(shown).await?;
    shown.sort();
    assert_eq!(shown, Tree::of(&sample.root)?.files().into_keys().collect::<Vec<_>>());
    assert_eq!(fs::read(saved)?, [7; 100_000]);
    Ok(())
}

async fn pictures() -> Result<()> {
    let browser = Browser::start(Chromium).await?;
    browser.open(&serve_the_page(LAN_ADDRESS.parse()?)?).await?;
    let file = target_dir().join("e2e/harness.png");
    fs::create_dir_all(target_dir().join("e2e"))?;

    browser.dress(390, 844, Scheme::Dark).await?;
    browser.screenshot(&file).await?;
    let fine = browser.accessibility().await?;
    browser
        .run::<()>("document.querySelector('main').append(Object.assign(new Image(9, 9), { src: 'data:,' }))")
        .await?;
    let broken = browser.accessibility().await?;

    assert_eq!(png_size(&fs::read(file)?), (390, 844));
    ensure!(fine.is_empty(), "{fine:#?}");
    ensure!(broken.iter().any(|found| found.contains("image-alt")), "axe does not look: {broken:#?}");
    Ok(())
}

async fn cut_and_mend() -> Result<()> {
    let lab = Lab::new()?;
    let reaches = |address: &str| {
        // Nobody listens: "refused" has come all the way, a time-out has not.
        let script = format!("timeout 1 bash -c 'echo > /dev/tcp/{address}/9' 2>&1");
        let output = lab.a.command(std::process::Command::new("sh").args(["-c", &script])).output()?;
        Ok::<_, anyhow::Error>(String::from_utf8_lossy(&output.stdout).contains("refused"))
    };
    ensure!(reaches("10.9.2.2")?, "host a reaches host b");

    lab.cut()?;
    ensure!(!reaches("10.9.2.2")?, "the path is cut");
    ensure!(reaches(lab.a.router())?, "the router is still there");

    lab.mend()?;
    ensure!(reaches("10.9.2.2")?, "the path is mended");
    Ok(())
}

/// A server that knows one page; ends with the test.
fn serve_the_page(address: Ipv4Addr) -> Result<String> {
    let listener = TcpListener::bind((address, 0))?;
    let url = format!("http://{}/", listener.local_addr()?);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let page = include_str!("fixture/page.html");
                let _ = stream.read(&mut [0; 4096]);
                let head =
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n";
                let _ = write!(stream, "{head}content-length: {}\r\n\r\n{page}", page.len());
            });
        }
    });
    Ok(url)
}

fn png_size(bytes: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}
