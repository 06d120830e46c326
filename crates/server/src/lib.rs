//! HTTP: router, extractors, problem answers, events, OpenAPI, the embedded web part.
