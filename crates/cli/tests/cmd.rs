//! Commands and their whole output, as files under `tests/cmd`: what scripts and people rely on.

#[test]
fn commands_say_what_they_said() {
    trycmd::TestCases::new()
        .env("BEELINE_SERVER", "")
        .env("BEELINE_CODE", "")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .case("tests/cmd/*.toml");
}
