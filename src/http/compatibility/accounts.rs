//! The account calls of the compatibility API. An account is a project.

#![expect(unused_qualifications, reason = "utoipa's macro writes one for the parameters of a list")]

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::LOCATION,
    web::{Data, Json},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::{IntoParams, ToSchema};

use super::Base;
use crate::{
    domain::{List, NewProject, Project, ProjectChange, Schema, SecretText, SigningKey},
    error::{Error, Field},
    http::{
        Settings,
        body::Body,
        dialect::Flat,
        listed::listed,
        openapi::{CompatibilityBodyErrors, CompatibilityErrors},
        paging::{self, Paging, Query},
        path::AtProject,
    },
    service::{Caller, Service},
};

const QUERY: Schema = Schema {
    single: &[
        Field::FriendlyName.as_str(),
        Field::AccountPageSize.as_str(),
        Field::AccountPage.as_str(),
        Field::AccountPageToken.as_str(),
    ],
    repeated: &[],
};

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(in crate::http) struct AccountBody {
    #[schema(format = Uuid, example = "3e4f5a6b-7c8d-4e9f-8a1b-2c3d4e5f6a7b")]
    sid: String,
    #[schema(example = "Staging")]
    friendly_name: String,
    #[schema(example = "active")]
    status: &'static str,
    /// Always `redacted`: the server stores only hashes of secrets.
    #[schema(example = "redacted")]
    auth_token: &'static str,
    /// In the format of RFC 2822.
    #[schema(example = "Tue, 24 Nov 2026 04:34:44 +0000")]
    date_created: String,
    /// In the format of RFC 2822.
    #[schema(example = "Tue, 24 Nov 2026 04:34:44 +0000")]
    date_updated: String,
    #[schema(example = "Full")]
    r#type: &'static str,
    /// The sid of the parent. For a root account, its own sid.
    #[schema(format = Uuid, example = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")]
    owner_account_sid: String,
    /// What the operator configured.
    #[schema(example = "us")]
    region_preference: String,
    #[schema(example = "/api/laml/2010-04-01/Accounts/3e4f5a6b-7c8d-4e9f-8a1b-2c3d4e5f6a7b")]
    uri: String,
    subproject: bool,
    /// `PSK_` and 32 hexadecimal digits in the response that created the account, null in all others.
    #[schema(value_type = Option<String>, required = true, example = json!(null))]
    signing_key: Option<SecretText>,
    #[schema(value_type = std::collections::BTreeMap<String, Option<String>>)]
    subresource_uris: Subresources,
}

/// The resources below an account, as they are published: a text or null for each, because strict clients read no other
/// type, and `tokens`, which is ours. But for `tokens` the texts lead to 404: this service has none of these resources.
struct Subresources {
    account: String,
}

/// The names, in the published order, each with the end of its path.
const RESOURCES: [(&str, Option<&str>); 20] = [
    ("addresses", None),
    ("available_phone_numbers", Some("AvailablePhoneNumbers")),
    ("applications", Some("Applications")),
    ("authorized_connect_apps", None),
    ("calls", Some("Calls")),
    ("conferences", Some("Conferences")),
    ("connect_apps", None),
    ("incoming_phone_numbers", Some("IncomingPhoneNumbers")),
    ("keys", None),
    ("notifications", None),
    ("outgoing_caller_ids", None),
    ("queues", Some("Queues")),
    ("recordings", Some("Recordings")),
    ("sandbox", None),
    ("sip", None),
    ("short_codes", None),
    ("messages", Some("Messages")),
    ("transcriptions", Some("Transcriptions")),
    ("usage", None),
    ("tokens", Some("tokens")),
];

impl Serialize for Subresources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(RESOURCES.len()))?;
        for (name, path) in RESOURCES {
            map.serialize_entry(name, &path.map(|path| format!("{}/{path}", self.account)))?;
        }
        map.end()
    }
}

impl AccountBody {
    fn new(base: &str, settings: &Settings, project: &Project, signing_key: Option<&SigningKey>) -> Self {
        let uri = format!("{base}/Accounts/{}", project.id);
        Self {
            sid: project.id.to_string(),
            friendly_name: project.name.as_str().to_owned(),
            status: "active",
            auth_token: "redacted",
            date_created: project.created_at.to_rfc2822(),
            date_updated: project.updated_at.to_rfc2822(),
            r#type: "Full",
            owner_account_sid: project.parent.unwrap_or(project.id).to_string(),
            region_preference: project.region(&settings.region_preference).to_owned(),
            subresource_uris: Subresources { account: uri.clone() },
            uri,
            subproject: project.is_subproject(),
            signing_key: signing_key.map(SigningKey::reveal),
        }
    }
}

/// A page of accounts, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountPage)]
pub(in crate::http) struct AccountPage {
    #[schema(example = "/api/laml/2010-04-01/Accounts?Page=0&PageSize=50")]
    uri: String,
    #[schema(example = "/api/laml/2010-04-01/Accounts?Page=0&PageSize=50")]
    first_page_uri: String,
    /// Null on the last page.
    #[schema(required = true)]
    next_page_uri: Option<String>,
    /// Null on the first page.
    #[schema(required = true)]
    previous_page_uri: Option<String>,
    page: u32,
    page_size: u32,
    accounts: Vec<AccountBody>,
}

/// The name of an account.
#[derive(ToSchema)]
#[schema(as = AccountName)]
#[expect(dead_code, non_snake_case, reason = "describes what domain/project.rs judges, in the API's words")]
pub(in crate::http) struct NameAccount {
    #[schema(
        min_length = 1,
        max_length = 250,
        pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u001F\\u007F-\\u009F][^\\u0000-\\u001F\\u007F-\\u009F]*$",
        example = "Staging"
    )]
    FriendlyName: String,
}

/// Filters and paging of a list of accounts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, non_snake_case, reason = "describes what http/paging.rs judges, in the API's words")]
pub(in crate::http) struct ListAccounts {
    /// Only accounts with exactly this name.
    #[param(required = false, nullable = false)]
    FriendlyName: Option<String>,
    /// The number of accounts on a page.
    #[param(minimum = 1, maximum = 1000, default = 50, required = false, nullable = false)]
    PageSize: Option<u32>,
    /// The number of the page. Take it from a page URI together with `PageToken`.
    #[param(minimum = 0, default = 0, required = false, nullable = false)]
    Page: Option<u32>,
    /// The position of the page. Take it from a page URI of the same list.
    #[param(required = false, nullable = false)]
    PageToken: Option<String>,
}

/// List the caller's account and its subprojects, newest first.
#[utoipa::path(
    get, path = "/api/laml/2010-04-01/Accounts", operation_id = "listAccounts", tag = "Compatibility",
    security(("basic" = [])), params(ListAccounts),
    responses((status = 200, description = "A page of accounts.", body = AccountPage), CompatibilityErrors)
)]
pub(in crate::http) async fn list(
    service: Data<Service>,
    settings: Data<Settings>,
    caller: Caller,
    Base(base): Base,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let query = Query::lenient(&request, &QUERY)?;
    let project = caller.project();
    let list = List { endpoint: "Accounts", caller: project, project, name: None };
    let paging = Paging::judge(&query, paging::COMPATIBILITY, list, Vec::new())?;
    let page = service.list_tree(&caller, paging.name(), paging.position, paging.size).await?;
    let queries = paging.queries(&page);
    let uri = |query: String| format!("{base}/Accounts?{query}");
    let account_page = AccountPage {
        uri: uri(queries.this),
        first_page_uri: uri(queries.first),
        next_page_uri: queries.next.map(uri),
        previous_page_uri: queries.previous.map(uri),
        page: paging.number,
        page_size: paging.size,
        accounts: Vec::new(),
    };
    Ok(listed(&account_page, page.rows, move |project| AccountBody::new(base, &settings, project, None)))
}

/// Create a subproject of the caller's account.
///
/// Only this response contains the signing key.
#[utoipa::path(
    post, path = "/api/laml/2010-04-01/Accounts", operation_id = "createAccount", tag = "Compatibility",
    security(("basic" = [])),
    request_body(content((NameAccount = "application/x-www-form-urlencoded"), (NameAccount = "application/json"))),
    responses((status = 201, description = "The account, with its signing key.", body = AccountBody, headers(("Location" = String, description = "The path of the account."))), (status = 422, description = "The friendly name is not valid (20002), the parent is a subproject itself (20005), or it has the maximum number of subprojects (20006).", body = Flat), CompatibilityErrors, CompatibilityBodyErrors)
)]
pub(in crate::http) async fn create(
    service: Data<Service>,
    settings: Data<Settings>,
    caller: Caller,
    Base(base): Base,
    body: Body,
) -> Result<HttpResponse, Error> {
    let fields = body.form_or_json(&Project::ACCOUNT_FIELDS).await?;
    let new = NewProject::judge_account(&fields)?;
    let (project, key) = service.create_subproject(&caller, new).await?;
    let account = AccountBody::new(base, &settings, &project, Some(&key));
    Ok(HttpResponse::Created().insert_header((LOCATION, account.uri.as_str())).json(account))
}

/// Show an account.
#[utoipa::path(
    get, path = "/api/laml/2010-04-01/Accounts/{account_sid}", operation_id = "showAccount", tag = "Compatibility",
    security(("basic" = [])), params(("account_sid" = String, Path, format = Uuid)),
    responses((status = 200, description = "The account.", body = AccountBody), CompatibilityErrors)
)]
pub(in crate::http) async fn show(
    service: Data<Service>,
    settings: Data<Settings>,
    Base(base): Base,
    AtProject(reach): AtProject,
) -> Result<Json<AccountBody>, Error> {
    let project = service.find_project(reach).await?;
    Ok(Json(AccountBody::new(base, &settings, &project, None)))
}

/// Rename an account.
#[utoipa::path(
    post, path = "/api/laml/2010-04-01/Accounts/{account_sid}", operation_id = "updateAccount", tag = "Compatibility",
    security(("basic" = [])), params(("account_sid" = String, Path, format = Uuid)),
    request_body(content((NameAccount = "application/x-www-form-urlencoded"), (NameAccount = "application/json"))),
    responses((status = 200, description = "The changed account.", body = AccountBody), (status = 422, description = "The friendly name is not valid (20002).", body = Flat), CompatibilityErrors, CompatibilityBodyErrors)
)]
pub(in crate::http) async fn update(
    service: Data<Service>,
    settings: Data<Settings>,
    Base(base): Base,
    AtProject(reach): AtProject,
    body: Body,
) -> Result<Json<AccountBody>, Error> {
    let fields = body.of_update().form_or_json(&Project::ACCOUNT_FIELDS).await?;
    let change = ProjectChange::rename(NewProject::judge_account(&fields)?.name);
    let project = service.update_project(reach, &change).await?;
    Ok(Json(AccountBody::new(base, &settings, &project, None)))
}
