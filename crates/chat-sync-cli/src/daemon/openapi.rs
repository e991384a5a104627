//! The description of the API, as it is served: what programs are generated from, and what the tests hold the server to.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;

/// OpenAPI 3.1.
const TEXT: &str = include_str!("openapi.json");

pub(super) async fn describe() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(TEXT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::daemon::routes;

    #[test]
    fn every_path_and_method_is_described_and_nothing_else() {
        let document: Value = serde_json::from_str(TEXT).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                described.insert((method.to_uppercase(), path.clone()));
            }
        }
        let served: BTreeSet<(String, String)> = routes::served()
            .map(|(method, path)| (method.to_owned(), path.to_owned()))
            .collect();
        assert_eq!(served, described);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(TEXT).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let mut named = 0;
        visit(&document, &mut |reference| {
            named += 1;
            let name = reference.rsplit('/').next().unwrap();
            assert!(schemas.contains_key(name), "{reference}");
        });
        assert!(named > 20, "{named}");
    }

    fn visit(value: &Value, each: &mut impl FnMut(&str)) {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    each(reference);
                }
                fields.values().for_each(|value| visit(value, each));
            }
            Value::Array(values) => values.iter().for_each(|value| visit(value, each)),
            _ => {}
        }
    }
}
