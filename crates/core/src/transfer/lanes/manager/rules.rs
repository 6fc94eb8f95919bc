//! What a session may decide about lanes.

/// Whose SCTP sends here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderEngine {
    /// A browser's, or another that loss and its own bursts hold back: several lanes may help.
    #[default]
    Stock,
    /// Beeline's own, which fills a line alone.
    Own,
}

/// How a session uses lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneRules {
    /// What sends on this side.
    pub engine: SenderEngine,
    /// So many lanes for file bytes beside the first are opened whatever they bring; for tests.
    pub least: u8,
}
