//! How to go on by hand.

use std::path::Path;

use super::DOCUMENT;
use super::space::AFTER;

/// Commands to try on the stores that were kept.
pub(super) fn by_hand(folder: &Path) -> String {
    let store = |name: &str| format!("--store {}", folder.join(name).display());
    let [laptop, phone, ben, cleo] = ["ana-laptop", "ana-phone", "ben-laptop", "cleo-tablet"].map(store);
    format!(
        "The stores are kept in {}. Go on by hand, for example:\n\n  \
         katori log {DOCUMENT} {laptop}\n  \
         katori why Ben {DOCUMENT} {laptop}\n  \
         katori access {DOCUMENT} {laptop}\n  \
         katori contact ls {laptop}\n  \
         katori why Cleo {AFTER} {cleo}\n  \
         katori cat {DOCUMENT} text {phone}\n  \
         katori text {DOCUMENT} text insert end ' And so on.' {phone}\n  \
         katori ls {ben}\n  \
         katori serve --offline {laptop}",
        folder.display()
    )
}
