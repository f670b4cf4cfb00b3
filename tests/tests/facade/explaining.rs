//! Who did what, who wrote what, and why something is not shown.

use katori::{BlamePart, HeldReason, ObjType, ROOT, Role, Rule, StoryKind, Transactable};

use crate::house::{two, until, until_asked};

#[tokio::test]
async fn the_story_of_a_document_has_names_and_says_what_ended() {
    let two = two(Role::Write).await;
    two.hers.revoke(two.ben.me().person).await.unwrap();
    let story = two.hers.story().await.unwrap();
    let told = story.to_string();
    let kinds: Vec<StoryKind> = story.parts.iter().map(|part| part.kind).collect();
    assert_eq!(kinds.first(), Some(&StoryKind::Begin), "{told}");
    assert!(kinds.contains(&StoryKind::Revoke), "{told}");
    let granted = story
        .parts
        .iter()
        .find(|part| part.whom.as_ref().is_some_and(|who| who.person_name == "Ben"))
        .unwrap();
    assert_eq!((granted.role, granted.counts), (Some(Role::Write), false), "{told}");
    assert!(granted.to_string().contains("gave Ben write (revoked by Ana)"), "{told}");
    let dot = story.to_dot();
    assert!(dot.starts_with("digraph") && dot.contains("style=dashed") && dot.contains("-> r0"), "{dot}");
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn blame_names_the_author_of_each_part() {
    let two = two(Role::Write).await;
    let text = two.hers.change(|edit| edit.put_object(ROOT, "text", ObjType::Text)).unwrap().await.unwrap();
    two.hers.change(|edit| edit.splice_text(&text, 0, 0, "buy milk")).unwrap().await.unwrap();
    until(&two.his, |his| his.text("text").is_ok_and(|text| text == "buy milk")).await;
    two.his.change(|edit| edit.splice_text(&text, 4, 0, "more ")).unwrap().await.unwrap();
    until(&two.hers, |hers| hers.text("text").is_ok_and(|text| text == "buy more milk")).await;
    let spans = two.hers.blame("text").unwrap();
    let found: Vec<_> = spans
        .iter()
        .map(|span| match &span.what {
            BlamePart::Text { text, .. } => (text.as_str(), span.who.as_ref().unwrap().to_string()),
            _ => panic!("a text has characters"),
        })
        .collect();
    let ana = "Ana (laptop)".to_owned();
    assert_eq!(found, [("buy ", ana.clone()), ("more ", "Ben (phone)".into()), ("milk", ana.clone())]);
    let milk = two.hers.blame("milk").unwrap();
    assert_eq!((milk.len(), milk[0].who.as_ref().unwrap().to_string()), (1, ana));
    assert_eq!(two.hers.blame("").unwrap().len(), 2);
    assert!(two.hers.blame("eggs").is_err());
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn an_admin_keeps_a_change_out_and_everybody_is_told_why() {
    let two = two(Role::Write).await;
    let written = two.his.change(|edit| edit.put(ROOT, "spam", true)).unwrap();
    let hash = written.hash().unwrap();
    written.await.unwrap();
    until(&two.hers, |hers| hers.view_json()["spam"] == true).await;
    assert!(two.his.exclude(&[hash], "not mine").await.is_err(), "a writer is no admin");
    two.hers.exclude(&[hash], "nobody wants this").await.unwrap();
    for doc in [&two.hers, &two.his] {
        until(doc, |doc| doc.view_json().get("spam").is_none()).await;
        let held = doc.held().remove(0);
        assert_eq!((held.hash, held.reason, held.rule), (hash, HeldReason::Excluded, Rule::Exclusion));
        assert_eq!(held.who.unwrap().to_string(), "Ben (phone)");
    }
    until_asked(&two.ben, || async {
        let story = two.his.story().await.unwrap();
        story.parts.iter().any(|part| part.words.as_deref() == Some("nobody wants this"))
    })
    .await;
    assert!(two.hers.forks().is_empty());
    assert!(two.hers.conflict_copy(hash).is_err(), "it lost no fork");
    two.ana.close().await;
    two.ben.close().await;
}
