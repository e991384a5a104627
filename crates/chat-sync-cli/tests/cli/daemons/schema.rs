//! Whether an answer is as the description says: every key is described, and those that must be there are.

use std::sync::LazyLock;

use serde_json::Value;

use super::api::Answer;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../src/daemon/openapi.json")).unwrap());

/// Every method and path that is described, with something in place of its parameters.
pub(super) fn described() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path
                .replace("{selector}", "talk")
                .replace("{id}", &"ab".repeat(32))
                .replace("{request}", "none");
            found.push((method.to_uppercase(), format!("/api/v1{path}")));
        }
    }
    found
}

/// Panics where the answer is not as described.
#[track_caller]
pub(super) fn check(method: &str, path: &str, answer: &Answer) {
    let path = path.split('?').next().unwrap();
    if path == "/openapi.json" {
        return;
    }
    let operation = operation(method, path).unwrap_or_else(|| panic!("{method} {path} is not described"));
    let responses = &operation["responses"];
    let described = responses.get(answer.status.to_string());
    assert!(
        described.is_some() || answer.status >= 400,
        "{method} {path}: {} is not described",
        answer.status
    );
    let response = described.unwrap_or(&responses["default"]);
    match response.pointer("/content/application~1json/schema") {
        Some(schema) => matches(schema, &answer.json(), &format!("{method} {path}")),
        None => assert_eq!(answer.body, "", "{method} {path}"),
    }
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |described: &str| {
        let described: Vec<&str> = described.split('/').collect();
        described.len() == parts.len()
            && described
                .iter()
                .zip(&parts)
                .all(|(one, other)| one.starts_with('{') || one == other)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // A path without parameters is meant before one with.
    let mut fitting: Vec<&String> = paths.keys().filter(|path| fits(path)).collect();
    fitting.sort_by_key(|path| path.contains('{'));
    fitting
        .into_iter()
        .find_map(|path| paths[path].get(method.to_lowercase()))
}

#[track_caller]
fn matches(schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema.get("$ref") {
        let name = reference.as_str().unwrap().rsplit('/').next().unwrap();
        return matches(&DOCUMENT["components"]["schemas"][name], value, place);
    }
    if let Some(either) = schema.get("anyOf") {
        let null = either.as_array().unwrap().iter().any(|one| one["type"] == "null");
        if value.is_null() && null {
            return;
        }
        return matches(&either[0], value, place);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        one => one == kind || (one == "number" && kind == "integer"),
    };
    assert!(
        allowed,
        "{place} is {kind}, and is described as {}",
        schema["type"]
    );
    if let Some(words) = schema.get("enum").filter(|_| !value.is_null()) {
        assert!(words.as_array().unwrap().contains(value), "{place}: {value}");
    }
    if let Value::Array(values) = value {
        for (at, value) in values.iter().enumerate() {
            matches(&schema["items"], value, &format!("{place}[{at}]"));
        }
    }
    let (Value::Object(fields), Some(properties)) = (value, schema.get("properties")) else {
        return;
    };
    for required in schema["required"].as_array().unwrap() {
        assert!(
            fields.contains_key(required.as_str().unwrap()),
            "{place} lacks {required}"
        );
    }
    for (name, value) in fields {
        let described = properties
            .get(name)
            .unwrap_or_else(|| panic!("{place}.{name} is not described"));
        matches(described, value, &format!("{place}.{name}"));
    }
}
