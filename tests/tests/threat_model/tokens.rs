//! Rust in pieces: words, texts and signs.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Takes Rust apart, without its comments and letters in quotes.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut rest = source;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest);
        } else if first == '"' {
            let (text, left) = text(&rest[1..]);
            tokens.push(Token::Text(text));
            rest = left;
        } else if let Some((text, left)) = raw_text(rest) {
            tokens.push(Token::Text(text));
            rest = left;
        } else if first == '\'' {
            rest = after_quote(&rest[1..]);
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let (word, left) = rest.split_at(end.unwrap_or(rest.len()));
            tokens.push(Token::Word(word.to_owned()));
            rest = left;
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens
}

/// What follows a comment that may hold others.
fn after_comment(source: &str) -> &str {
    let (mut depth, mut at) = (0, 0);
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    source.get(at..).unwrap_or_default()
}

/// A text up to its closing quote, as it is written, and what follows.
fn text(source: &str) -> (String, &str) {
    let mut escaped = false;
    for (at, letter) in source.char_indices() {
        match letter {
            '"' if !escaped => return (source[..at].to_owned(), &source[at + 1..]),
            _ => escaped = letter == '\\' && !escaped,
        }
    }
    (source.to_owned(), "")
}

/// A text like `r#"..."#` that begins here.
fn raw_text(source: &str) -> Option<(String, &str)> {
    let after = ["r", "br", "cr"].iter().find_map(|prefix| source.strip_prefix(prefix))?;
    let body = after.trim_start_matches('#');
    let end = format!("\"{}", "#".repeat(after.len() - body.len()));
    let (text, rest) = body.strip_prefix('"')?.split_once(end.as_str())?;
    Some((text.to_owned(), rest))
}

/// What follows a single quote: that of a letter is left out whole, that of a lifetime alone.
fn after_quote(source: &str) -> &str {
    let mut letters = source.char_indices();
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some((next, letter))) => {
            let after = &source[next + letter.len_utf8()..];
            after.split_once('\'').map_or("", |(_, rest)| rest)
        }
        (Some(_), Some((end, '\''))) => &source[end + 1..],
        _ => source,
    }
}
