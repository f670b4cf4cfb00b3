//! A shared shopping list: `groceries STORE` begins one, `groceries STORE TICKET` joins it.

use anyhow::{Context, Result};
use katori::{Doc, Error, Network, Node, ROOT, Role, Transactable};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<()> {
    let (flags, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let store = words.first().context("usage: groceries [--nearby] STORE [TICKET]")?;
    let nearby = flags.iter().any(|flag| flag == "--nearby");
    let network = if nearby { Network::Offline } else { Network::Default };
    let node = Node::builder(store).network(network).open_or_init().await?;
    let list = match words.get(1) {
        Some(ticket) => node.join(&ticket.parse()?).await?,
        None => match node.doc("groceries").await {
            Err(Error::NotFound { .. }) => node.create("groceries").await?,
            found => found?,
        },
    };
    if let Ok(ticket) = list.invite(Role::Write).await {
        println!("for a friend: groceries STORE {ticket}");
    }
    show(&list);

    let mut changes = list.watch();
    let (typed, mut lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lines().map_while(Result::ok);
        while input.next().is_some_and(|line| typed.blocking_send(line).is_ok()) {}
    });
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(_) => show(&list),
                None => break,
            },
            line = lines.recv() => match line.as_deref().map(str::trim) {
                None | Some("quit") => break,
                Some(line) => edit(&list, line).await.unwrap_or_else(|error| println!("{error:#}")),
            },
        }
    }
    node.close().await;
    Ok(())
}

async fn edit(list: &Doc, line: &str) -> Result<()> {
    if let Some(item) = line.strip_prefix('-') {
        return Ok(list.change(|edit| edit.delete(ROOT, item))?.await?);
    }
    let (item, amount) = line.rsplit_once(' ').context("write `milk 2`, `-milk` or `quit`")?;
    let amount: i64 = amount.parse().context("how much? write `milk 2`")?;
    Ok(list.change(|edit| edit.put(ROOT, item, amount))?.await?)
}

fn show(list: &Doc) {
    println!("{:#}", list.view_json());
}
