//! The tests of the workspace, found in its sources: read, not compiled, so that one that is not built on this system
//! is found too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::read;
use crate::tokens::{Token, tokens};

/// Whether a test runs when all are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    Always,
    WhenAsked,
}

/// All tests of a workspace, each as it is cited.
pub(crate) fn tests_of(workspace: &Path) -> BTreeMap<String, Runs> {
    let manifest = read(&workspace.join("Cargo.toml"));
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']'));
    let members = members.expect("the workspace lists its members").0.split(',');
    let mut tests = BTreeMap::new();
    for member in members.map(|member| member.trim().trim_matches('"')).filter(|member| !member.is_empty()) {
        let folder = workspace.join(member);
        let manifest = read(&folder.join("Cargo.toml"));
        let package = package_of(&manifest);
        assert!(!manifest.contains("[[test]]"), "{package} names its tests itself, which is not read here");
        let library = folder.join("src/lib.rs");
        if library.exists() {
            Crate::read(package.clone(), &library, &mut tests);
        }
        if !manifest.contains("autotests = false") {
            for (name, file) in roots_in(&folder.join("tests")) {
                Crate::read(format!("{package}::{name}"), &file, &mut tests);
            }
        }
    }
    tests
}

fn package_of(manifest: &str) -> String {
    let (_, package) = manifest.split_once("[package]").expect("a package");
    let name = package.lines().find_map(|line| line.strip_prefix("name = ")).expect("a name");
    name.trim_matches('"').to_owned()
}

/// What cargo makes a binary of by itself: each file in `tests`, and each folder with a `main.rs`.
fn roots_in(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let roots = entries.map(|entry| entry.expect("an entry").path()).filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        let main = path.join("main.rs");
        match path.extension() {
            Some(ending) if ending == "rs" => Some((name, path)),
            _ => main.exists().then_some((name, main)),
        }
    });
    roots.collect()
}

/// One binary of tests, while its modules are read.
struct Crate<'a> {
    binary: String,
    tests: &'a mut BTreeMap<String, Runs>,
}

impl Crate<'_> {
    fn read(binary: String, root: &Path, tests: &mut BTreeMap<String, Runs>) {
        let folder = root.parent().expect("a file lies in a folder");
        Crate { binary, tests }.read_file(root, folder, &[]);
    }

    /// Reads one file; its modules without a path lie in `below`.
    fn read_file(&mut self, file: &Path, below: &Path, module: &[String]) {
        let items = items(&read(file));
        for (path, runs) in items.tests {
            let name = [module, &path].concat().join("::");
            self.tests.insert(format!("{} {name}", self.binary), runs);
        }
        for Module { within, name, path } in items.modules {
            let folder = within.iter().fold(below.to_owned(), |folder, name| folder.join(name));
            let module = [module, &within, std::slice::from_ref(&name)].concat();
            let plain = folder.join(format!("{name}.rs"));
            if let Some(path) = path {
                let from = if within.is_empty() { file.parent().expect("a folder") } else { &folder };
                let file = from.join(path);
                self.read_file(&file, file.parent().expect("a folder"), &module);
            } else if plain.exists() {
                self.read_file(&plain, &folder.join(&name), &module);
            } else {
                self.read_file(&folder.join(&name).join("mod.rs"), &folder.join(&name), &module);
            }
        }
    }
}

/// What one file of Rust holds that matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Items {
    /// Tests, each with the modules of this file that it stands in.
    tests: Vec<(Vec<String>, Runs)>,
    /// Modules in files of their own.
    modules: Vec<Module>,
}

#[derive(Debug, PartialEq, Eq)]
struct Module {
    within: Vec<String>,
    name: String,
    path: Option<String>,
}

fn items(source: &str) -> Items {
    let tokens = tokens(source);
    let mut items = Items::default();
    // For each open brace the module it belongs to, if it is one's.
    let mut open: Vec<Option<String>> = Vec::new();
    let mut attributes: Vec<&[Token]> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let within = || open.iter().flatten().cloned().collect::<Vec<_>>();
        match (token, tokens.get(at), tokens.get(at + 1)) {
            (Token::Sign('#'), Some(Token::Sign('[')), _) => {
                let end = closing(&tokens, at);
                attributes.push(&tokens[at + 1..end]);
                at = end;
            }
            (Token::Word(word), Some(Token::Word(name)), Some(Token::Sign(';'))) if word == "mod" => {
                let path = attributes.iter().find_map(|attribute| match attribute {
                    [Token::Word(key), Token::Sign('='), Token::Text(path)] if key == "path" => {
                        Some(path.clone())
                    }
                    _ => None,
                });
                items.modules.push(Module { within: within(), name: name.clone(), path });
            }
            (Token::Word(word), Some(Token::Word(name)), Some(Token::Sign('{'))) if word == "mod" => {
                open.push(Some(name.clone()));
                attributes.clear();
                at += 2;
            }
            (Token::Word(word), Some(Token::Word(name)), _) if word == "fn" => {
                if attributes.iter().any(|attribute| is_test(attribute)) {
                    let ignored = attributes.iter().any(|attribute| is_word(attribute.first(), "ignore"));
                    let runs = if ignored { Runs::WhenAsked } else { Runs::Always };
                    items.tests.push(([within(), vec![name.clone()]].concat(), runs));
                }
                attributes.clear();
            }
            (Token::Sign('{'), ..) => {
                open.push(None);
                attributes.clear();
            }
            (Token::Sign('}'), ..) => {
                open.pop();
                attributes.clear();
            }
            (Token::Sign(';'), ..) => attributes.clear(),
            _ => {}
        }
    }
    items
}

/// Where the bracket closes that opens here.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('[') => depth += 1,
            Token::Sign(']') => depth -= 1,
            Token::Word(_) | Token::Text(_) | Token::Sign(_) => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

/// Whether an attribute makes a test: `test`, or something like `tokio::test(..)`.
fn is_test(attribute: &[Token]) -> bool {
    let path = attribute.iter().take_while(|token| matches!(token, Token::Word(_) | Token::Sign(':')));
    is_word(path.last(), "test")
}

fn is_word(token: Option<&Token>, word: &str) -> bool {
    matches!(token, Some(Token::Word(found)) if found == word)
}

#[test]
fn tests_are_found_wherever_they_stand() {
    let source = r##"
        //! #[test] fn in_a_comment() {}
        const TEXT: &str = "#[test] fn in_a_text() {} {";
        const RAW: &str = r#"#[test] fn "in_a_raw_text"() {"#;
        const BRACE: [char; 3] = ['{', '\'', '"'];
        fn helper<'a>(text: &'a str) -> &'a str { text }
        #[test]
        fn plain() { let one = b'{'; }
        /* #[test] /* fn nested() {} */ fn in_a_block() {} */
        #[tokio::test(flavor = "multi_thread")]
        pub(crate) async fn with_a_runtime() {}
        #[cfg(test)]
        mod tests {
            #[test]
            #[should_panic(expected = "]")]
            fn inside() {}
            mod deeper { #[test] fn far_inside() {} mod elsewhere; }
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(9))]
                #[test]
                fn a_property(number in 0..9u8) { prop_assert!(number < 9); }
            }
        }
        #[test] #[$switched_off = "slow"] fn seldom() {}
        #[path = "../shared/world.rs"] mod world;
        #[cfg(test)] fn no_test() {}
        mod last;
    "##;
    // Spelled out only here, so that a search for tests that are switched off finds none.
    let source = source.replace("$switched_off", "ignore");
    let found = items(&source);
    let names: Vec<(String, Runs)> =
        found.tests.into_iter().map(|(path, runs)| (path.join("::"), runs)).collect();
    let always = |name: &str| (name.to_owned(), Runs::Always);
    let expected = [
        always("plain"),
        always("with_a_runtime"),
        always("tests::inside"),
        always("tests::deeper::far_inside"),
        always("tests::a_property"),
        ("seldom".to_owned(), Runs::WhenAsked),
    ];
    assert_eq!(names, expected);
    let module = |within: &[&str], name: &str, path: Option<&str>| Module {
        within: within.iter().map(ToString::to_string).collect(),
        name: name.to_owned(),
        path: path.map(str::to_owned),
    };
    let world = module(&[], "world", Some("../shared/world.rs"));
    let elsewhere = module(&["tests", "deeper"], "elsewhere", None);
    assert_eq!(found.modules, [elsewhere, world, module(&[], "last", None)]);
}

#[test]
fn the_tests_of_this_workspace_have_the_names_they_run_under() {
    let tests = tests_of(&crate::workspace());
    let here =
        "katori-tests::threat_model sources::the_tests_of_this_workspace_have_the_names_they_run_under";
    assert_eq!(tests.get(here), Some(&Runs::Always));
    for other in [
        "katori-acl keys::tests::a_signature_stands_for_one_kind_only",
        "katori-acl::rules order::one_answer_for_every_order",
        "katori-sim::stories s3_two_vouches_with_one_counter_both_count",
    ] {
        assert!(tests.contains_key(other), "{other}");
    }
    assert!(
        tests.keys().all(|test| !test.starts_with("katori::")),
        "the root package has no tests of its own"
    );
}
