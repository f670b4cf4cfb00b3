//! The figures that are looked up when somebody asks for them; the others are counted as things happen.

use katori_core::engine::Engine;

use super::Hub;
use crate::error::HubError;
use crate::meter::{self, Stock};

impl Hub {
    /// Brings those figures up to date that are not counted as things happen, such as how many documents are held, for
    /// the recorder of the `metrics` crate that is installed in this process. `docs/metrics.md` has all of them.
    /// `store_bytes` is the size of the store's file, whose place a hub does not know.
    ///
    /// # Errors
    /// [`HubError::Closed`] if the hub is closed.
    pub async fn measure(&self, store_bytes: u64) -> Result<(), HubError> {
        let stock = Stock { store_bytes, ..self.ask(stock).await? };
        meter::describe();
        meter::stock(stock, self.memory());
        Ok(())
    }
}

fn stock(engine: &Engine) -> Stock {
    let mut stock = Stock::default();
    for (_, standing, summary) in engine.documents() {
        if standing.has_content() {
            stock.documents += 1;
            stock.changes += summary.changes;
            stock.held += summary.held;
        }
    }
    stock
}
