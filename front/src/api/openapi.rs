//! The API's description (OpenAPI 3.1), written by hand and held against real answers by a test.

use actix_web::{HttpResponse, http::header};

/// `GET /api/openapi.json`.
pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type("application/json")
        .body(include_str!("openapi.json"))
}
