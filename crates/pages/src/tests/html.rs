//! Just enough of an HTML parser to ask questions of our own pages: strict, so that a broken page fails the test.

use std::collections::BTreeMap;

/// A start tag with its attributes, and the text up to its end tag.
#[derive(Debug, Clone)]
pub(super) struct Element {
    pub(super) tag: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) text: String,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }
}

#[derive(Debug)]
pub(super) struct Page {
    pub(super) source: String,
    pub(super) elements: Vec<Element>,
}

const VOID: [&str; 7] = ["meta", "link", "input", "img", "br", "path", "rect"];

impl Page {
    /// Panics unless every element is closed in order, every attribute is quoted and no id stands twice.
    pub(super) fn parse(source: &str) -> Self {
        let mut elements: Vec<Element> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut rest = source.strip_prefix("<!doctype html>").expect("a doctype");
        while let Some((text, after)) = rest.split_once('<') {
            open.iter().for_each(|&at| elements[at].text.push_str(&unescaped(text)));
            let (tag, after) = after.split_once('>').expect("a tag ends");
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                let closed = open.pop().map(|at| elements[at].tag.clone());
                assert_eq!(closed.as_deref(), Some(name), "end tags match");
                continue;
            }
            let element = element(tag.trim_end_matches('/'));
            if !VOID.contains(&element.tag.as_str()) {
                open.push(elements.len());
            }
            elements.push(element);
        }
        assert!(open.is_empty(), "everything is closed");
        let page = Self { source: source.to_owned(), elements };
        let mut ids: Vec<_> = page.elements.iter().filter(|e| e.has("id")).map(|e| e.attribute("id")).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "ids are unique: {ids:?}");
        page
    }

    pub(super) fn all(&self, tag: &str) -> Vec<&Element> {
        self.elements.iter().filter(|element| element.tag == tag).collect()
    }

    pub(super) fn one(&self, tag: &str) -> &Element {
        let all = self.all(tag);
        assert_eq!(all.len(), 1, "one <{tag}>");
        all[0]
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&Element> {
        self.elements.iter().find(|element| element.attribute("id") == id)
    }

    pub(super) fn input(&self, name: &str) -> &Element {
        self.all("input").into_iter().find(|input| input.attribute("name") == name).expect(name)
    }
}

fn element(tag: &str) -> Element {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = BTreeMap::new();
    rest = rest.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(after) => after.split_once('"').expect("a quoted value ends"),
            None => ("", after),
        };
        assert!(!after.starts_with('='), "values are quoted: {tag}");
        let twice = attributes.insert(name.to_owned(), unescaped(value)).is_some();
        assert!(!twice, "{name} stands twice in {tag}");
        rest = after.trim_start();
    }
    Element { tag: name.to_owned(), attributes, text: String::new() }
}

fn unescaped(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    plain.replace("&#x27;", "'").replace("&#x2f;", "/").replace("&amp;", "&")
}
