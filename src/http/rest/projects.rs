//! The project calls of the REST API.

#![expect(unused_qualifications, reason = "utoipa's macro writes one for the parameters of a list")]

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::LOCATION,
    web::{Data, Json},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Links;
use crate::{
    clock::Timestamp,
    domain::{List, NewProject, Project, ProjectChange, Schema, SecretText, SigningKey},
    error::{Error, Field},
    http::{
        Settings,
        body::Body,
        links::Base,
        listed::listed,
        openapi::{RestBodyErrors, RestErrors},
        paging::{self, Paging, Query},
        path::AtProject,
    },
    service::{Caller, Service},
};

const PATH: &str = "/api/projects";

const QUERY: Schema = Schema {
    single: &[Field::Name.as_str(), Field::PageSize.as_str(), Field::PageNumber.as_str(), Field::PageToken.as_str()],
    repeated: &[],
};

/// A project.
#[derive(Serialize, ToSchema)]
#[schema(as = Project)]
pub(in crate::http) struct ProjectBody {
    #[schema(format = Uuid, example = "3e4f5a6b-7c8d-4e9f-8a1b-2c3d4e5f6a7b")]
    id: String,
    #[schema(example = "Staging")]
    name: String,
    /// Null for a root project.
    #[schema(required = true, format = Uuid, example = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")]
    parent_project_id: Option<String>,
    /// Whether it has a parent.
    subproject: bool,
    /// What the operator configured.
    #[schema(example = "us")]
    region_preference: String,
    protect_recordings: bool,
    protect_message_media: bool,
    protect_fax_media: bool,
    force_https_requests: bool,
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T04:34:44.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T04:34:44.000000Z")]
    updated_at: Timestamp,
    /// `PSK_` and 32 hexadecimal digits. Only in the response that created the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "PSK_0123456789abcdef0123456789abcdef")]
    signing_key: Option<SecretText>,
}

impl ProjectBody {
    fn new(settings: &Settings, project: &Project, signing_key: Option<&SigningKey>) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name.as_str().to_owned(),
            parent_project_id: project.parent.map(|id| id.to_string()),
            subproject: project.is_subproject(),
            region_preference: project.region(&settings.region_preference).to_owned(),
            protect_recordings: project.protect_recordings,
            protect_message_media: project.protect_message_media,
            protect_fax_media: project.protect_fax_media,
            force_https_requests: project.force_https_requests,
            created_at: project.created_at,
            updated_at: project.updated_at,
            signing_key: signing_key.map(SigningKey::reveal),
        }
    }
}

/// A page of projects, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectPage)]
pub(in crate::http) struct ProjectPage {
    links: Links,
    data: Vec<ProjectBody>,
}

/// A new subproject. An absent option is off.
#[derive(ToSchema)]
#[schema(as = NewProject)]
#[expect(dead_code, reason = "describes what domain/project.rs judges")]
pub(in crate::http) struct CreateProject {
    #[schema(
        min_length = 1,
        max_length = 250,
        pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u001F\\u007F-\\u009F][^\\u0000-\\u001F\\u007F-\\u009F]*$",
        example = "Staging"
    )]
    name: String,
    #[schema(required = false, nullable = false)]
    protect_recordings: Option<bool>,
    #[schema(required = false, nullable = false)]
    protect_message_media: Option<bool>,
    #[schema(required = false, nullable = false)]
    protect_fax_media: Option<bool>,
    #[schema(required = false, nullable = false)]
    force_https_requests: Option<bool>,
}

/// Changes to a project. An absent field stays as it is.
#[derive(ToSchema)]
#[schema(as = ProjectChange)]
#[expect(dead_code, reason = "describes what domain/project.rs judges")]
pub(in crate::http) struct UpdateProject {
    #[schema(
        min_length = 1,
        max_length = 250,
        pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u001F\\u007F-\\u009F][^\\u0000-\\u001F\\u007F-\\u009F]*$",
        required = false,
        nullable = false,
        example = "Staging"
    )]
    name: Option<String>,
    #[schema(required = false, nullable = false)]
    protect_recordings: Option<bool>,
    #[schema(required = false, nullable = false)]
    protect_message_media: Option<bool>,
    #[schema(required = false, nullable = false)]
    protect_fax_media: Option<bool>,
    #[schema(required = false, nullable = false)]
    force_https_requests: Option<bool>,
}

/// Filters and paging of a list of projects.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what http/paging.rs judges")]
pub(in crate::http) struct ListProjects {
    /// Only projects with exactly this name.
    #[param(required = false, nullable = false)]
    name: Option<String>,
    /// The number of projects on a page.
    #[param(minimum = 1, maximum = 1000, default = 50, required = false, nullable = false)]
    page_size: Option<u32>,
    /// The number of the page. Take it from `links` together with `page_token`.
    #[param(minimum = 0, default = 0, required = false, nullable = false)]
    page_number: Option<u32>,
    /// The position of the page. Take it from `links` of the same list.
    #[param(required = false, nullable = false)]
    page_token: Option<String>,
}

/// List the caller's project and its subprojects, newest first.
#[utoipa::path(
    get, path = "/api/projects", operation_id = "listProjects", tag = "Projects", security(("basic" = [])),
    params(ListProjects),
    responses((status = 200, description = "A page of projects.", body = ProjectPage), RestErrors)
)]
pub(in crate::http) async fn list(
    service: Data<Service>,
    settings: Data<Settings>,
    caller: Caller,
    Base(base): Base,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let query = Query::strict(&request, &QUERY)?;
    let project = caller.project();
    let list = List { endpoint: "projects", caller: project, project, name: None };
    let paging = Paging::judge(&query, paging::REST, list, Vec::new())?;
    let page = service.list_tree(&caller, paging.name(), paging.position, paging.size).await?;
    let links = Links::new(&base, PATH, paging.queries(&page));
    let project_page = ProjectPage { links, data: Vec::new() };
    Ok(listed(&project_page, page.rows, move |project| ProjectBody::new(&settings, project, None)))
}

/// Create a subproject of the caller's project.
///
/// Only this response contains the signing key.
#[utoipa::path(
    post, path = "/api/projects", operation_id = "createProject", tag = "Projects", security(("basic" = [])),
    request_body = CreateProject,
    responses((status = 201, description = "The project, with its signing key.", body = ProjectBody, headers(("Location" = String, description = "The address of the project."))), RestErrors, RestBodyErrors)
)]
pub(in crate::http) async fn create(
    service: Data<Service>,
    settings: Data<Settings>,
    caller: Caller,
    Base(base): Base,
    body: Body,
) -> Result<HttpResponse, Error> {
    let fields = body.json(&Project::FIELDS).await?;
    let new = NewProject::judge(&fields)?;
    let (project, key) = service.create_subproject(&caller, new).await?;
    let location = format!("{base}{PATH}/{}", project.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(ProjectBody::new(
        &settings,
        &project,
        Some(&key),
    )))
}

/// Show a project.
#[utoipa::path(
    get, path = "/api/projects/{project_id}", operation_id = "showProject", tag = "Projects", security(("basic" = [])),
    params(("project_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The project.", body = ProjectBody), RestErrors)
)]
pub(in crate::http) async fn show(
    service: Data<Service>,
    settings: Data<Settings>,
    AtProject(reach): AtProject,
) -> Result<Json<ProjectBody>, Error> {
    let project = service.find_project(reach).await?;
    Ok(Json(ProjectBody::new(&settings, &project, None)))
}

/// Change a project.
#[utoipa::path(
    patch, path = "/api/projects/{project_id}", operation_id = "updateProject", tag = "Projects",
    security(("basic" = [])), params(("project_id" = String, Path, format = Uuid)), request_body = UpdateProject,
    responses((status = 200, description = "The changed project.", body = ProjectBody), RestErrors, RestBodyErrors)
)]
pub(in crate::http) async fn update(
    service: Data<Service>,
    settings: Data<Settings>,
    AtProject(reach): AtProject,
    body: Body,
) -> Result<Json<ProjectBody>, Error> {
    let fields = body.of_update().json(&Project::FIELDS).await?;
    let change = ProjectChange::judge(&fields)?;
    let project = service.update_project(reach, &change).await?;
    Ok(Json(ProjectBody::new(&settings, &project, None)))
}

/// Delete a subproject with all of its tokens.
///
/// After the response, none of its secrets is accepted anywhere. This cannot be undone.
#[utoipa::path(
    delete, path = "/api/projects/{project_id}", operation_id = "deleteProject", tag = "Projects",
    security(("basic" = [])), params(("project_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "The subproject and its tokens are deleted."), RestErrors)
)]
pub(in crate::http) async fn delete(
    service: Data<Service>,
    caller: Caller,
    AtProject(reach): AtProject,
) -> Result<HttpResponse, Error> {
    service.delete_subproject(&caller, reach).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Replace the signing key of a project.
///
/// Only this response contains the new key. The old key is deleted.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/signing-key/rotate", operation_id = "rotateSigningKey", tag = "Projects",
    security(("basic" = [])), params(("project_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The project, with its new signing key.", body = ProjectBody), RestErrors)
)]
pub(in crate::http) async fn rotate_signing_key(
    service: Data<Service>,
    settings: Data<Settings>,
    AtProject(reach): AtProject,
) -> Result<Json<ProjectBody>, Error> {
    let (project, key) = service.rotate_signing_key(reach).await?;
    Ok(Json(ProjectBody::new(&settings, &project, Some(&key))))
}
