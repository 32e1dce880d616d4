//! Reports out of return data.

use bytemuck::AnyBitPattern;
use estuary::report::{MarketReportView, PositionsView, ReportPage, SummaryView, WhatIfView};

/// A view that `margin_report` returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// The account.
    Summary(Box<SummaryView>),
    /// The account as it is and as it would be.
    WhatIf(Box<WhatIfView>),
    /// One market.
    Market(Box<MarketReportView>),
    /// A page of positions.
    Positions(Box<PositionsView>),
}

/// Reads the view that was asked for out of return data, or nothing when the data is shorter than the view.
///
/// The runtime cuts zeros off the end of return data: a view whose last fields are zero comes back shorter.
#[must_use]
pub fn decode(page: ReportPage, data: &[u8]) -> Option<View> {
    match page {
        ReportPage::Summary => padded(data).map(View::Summary),
        ReportPage::Market(_) => padded(data).map(View::Market),
        ReportPage::Positions(_) => padded(data).map(View::Positions),
    }
}

/// Reads the view out of return data that was asked for with a change of the account: as [`decode`], but a summary comes
/// with the one before the change.
#[must_use]
pub fn decode_what_if(page: ReportPage, data: &[u8]) -> Option<View> {
    match page {
        ReportPage::Summary => padded(data).map(View::WhatIf),
        ReportPage::Market(_) | ReportPage::Positions(_) => decode(page, data),
    }
}

/// Reads a view out of return data, filling up with the zeros that the runtime may have cut.
#[must_use]
pub fn padded<T: AnyBitPattern>(data: &[u8]) -> Option<Box<T>> {
    let size = core::mem::size_of::<T>();
    if data.is_empty() || data.len() > size {
        return None;
    }
    let mut bytes = data.to_vec();
    bytes.resize(size, 0);
    Some(Box::new(bytemuck::pod_read_unaligned(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_survive_the_cut_of_their_zeros() {
        let view = SummaryView {
            equity: -5,
            now: 7,
            ..SummaryView::default()
        };
        let bytes = bytemuck::bytes_of(&view);
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        assert!(end < bytes.len());
        let expected = Some(View::Summary(Box::new(view)));
        assert_eq!(decode(ReportPage::Summary, bytes), expected);
        assert_eq!(decode(ReportPage::Summary, &bytes[..end]), expected);
        assert_eq!(decode(ReportPage::Summary, &[]), None);
        assert_eq!(decode(ReportPage::Summary, &[0; 2_000]), None);
        let both = WhatIfView {
            before: view,
            ..WhatIfView::default()
        };
        let expected = Some(View::WhatIf(Box::new(both)));
        assert_eq!(decode_what_if(ReportPage::Summary, bytes), expected);
    }
}
