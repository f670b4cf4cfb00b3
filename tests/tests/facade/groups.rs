//! Groups of people, wherever a person may stand.

use katori::{CommandError, Error, MemberKind, Principal, Role};
use serde_json::json;

use crate::house::{Home, two, until, until_asked};

#[tokio::test]
async fn what_a_group_is_given_its_members_have_while_they_are_in_it() {
    // They know each other by a document.
    let two = two(Role::Read).await;
    let ben = two.ben.me().person;
    let plans = two.ana.create("plans").await.unwrap();
    plans.put(&json!({ "trip": "sea" })).unwrap().await.unwrap();
    let family = two.ana.create_group("family").await.unwrap();
    plans.grant(family.id(), Role::Write).await.unwrap();
    family.add(ben, false).await.unwrap();
    let members = family.members().await.unwrap();
    let found: Vec<_> = members.iter().map(|member| (member.who.to_string(), member.full)).collect();
    assert_eq!(found, [("Ana".to_owned(), true), ("Ben".to_owned(), false)]);

    until_asked(&two.ben, || async { !two.ben.offers().await.unwrap().is_empty() }).await;
    let his = two.ben.accept(plans.id()).await.unwrap();
    until(&his, |his| his.view_json()["trip"] == "sea").await;
    his.put(&json!({ "trip": "hills" })).unwrap().await.unwrap();
    until(&plans, |plans| plans.view_json()["trip"] == "hills").await;
    let listed = plans.members().await.unwrap();
    let him = listed.iter().find(|member| member.who.person == Some(ben)).unwrap();
    assert_eq!(him.group.as_ref().unwrap().to_string(), "family");
    assert!(
        listed.iter().any(|member| member.kind == MemberKind::Group && member.who.to_string() == "family")
    );
    let why = plans.why(Principal::Person(ben)).await.unwrap();
    assert_eq!((why.role, why.chains[0].groups.as_slice()), (Some(Role::Write), [family.id()].as_slice()));

    // Only a full member changes it.
    let his_family = two.ben.group("family").await.unwrap();
    let refused = his_family.add(two.ana.me().person, true).await;
    assert!(matches!(refused, Err(Error::Command(CommandError::NotYourGroup(_)))), "{refused:?}");
    family.remove(ben).await.unwrap();
    until_asked(&two.ben, || async { !his.may_write() }).await;
    assert_eq!(plans.view_json(), json!({ "trip": "hills" }));
    let gone = family.remove(ben).await;
    assert!(matches!(gone, Err(Error::Command(CommandError::NotAMember(_)))));
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn groups_are_found_by_name_and_are_no_people() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let (family, all) = (node.create_group("family").await.unwrap(), node.create_group("all").await.unwrap());
    all.add(family.id(), false).await.unwrap();
    assert!(all.members().await.unwrap().iter().any(|member| member.is_group));
    let names: Vec<String> = node.groups().await.unwrap().iter().map(katori::Group::name).collect();
    assert_eq!(names, ["all", "family"]);
    assert_eq!(node.group("family").await.unwrap().id(), family.id());
    assert_eq!(node.person("family").await.unwrap(), family.id(), "it goes wherever a person goes");
    assert_eq!(node.people().await.unwrap().len(), 1);
    assert!(node.contacts().await.unwrap().is_empty());
    let story = family.story().await.unwrap();
    assert_eq!(story.parts[0].words.as_deref(), Some("family"));
    node.close().await;
}
